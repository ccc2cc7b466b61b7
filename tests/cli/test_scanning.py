"""``immutable image scan``: for people, and for CI by its exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from immutable.cli.commands import cli

SECRET = "Tq7wZ" + "p2LxV9c"


def scan(*words):
    return CliRunner().invoke(cli, ["image", "scan", *map(str, words)], env={"COLUMNS": "200"})


@pytest.fixture
def tree(tmp_path):
    place = tmp_path / "web"
    place.mkdir()
    (place / "web.env").write_text(f"DB_PASSWORD={SECRET}\n")
    return place


def test_what_is_found_is_told_without_it_and_ends_with_4(tree):
    result = scan(tree)
    assert result.exit_code == 4
    assert "web.env:1: named like a secret  (fingerprint " in result.stdout
    assert "1 secret found in 1 file" in result.stderr
    assert SECRET not in result.output


def test_a_clean_place_ends_with_0(tree):
    (tree / "web.env").write_text("LEVEL=info\n")
    result = scan(tree)
    assert (result.exit_code, result.stdout) == (0, "no secret found in 1 file\n")


def test_what_is_not_wholly_scanned_ends_with_5_and_an_exception_answers_for_it(tree, tmp_path):
    (tree / "web.env").write_bytes(bytes(2 << 20))
    result = scan(tree)
    assert result.exit_code == 5
    assert "web.env: too large, 2.0 MiB; 1 at most" in result.stdout
    assert "partly scanned: nothing in 0 files, 1 file skipped" in result.stderr
    file = tmp_path / "exceptions.toml"
    file.write_text('[[skip]]\npath = "web.env"\nreason = "zeros"\n')
    result = scan(tree, "--exceptions", file)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "web.env: allowed, zeros")


def test_without_the_extra_it_ends_with_5(tree, monkeypatch):
    monkeypatch.setattr("immutable.scanning.scanner.installed", lambda: False)
    result = scan(tree)
    assert result.exit_code == 5
    assert "not scanned for secrets: install immutable-sdk[scan]" in result.stderr


def test_a_scan_as_json(tree):
    result = scan(tree, "--json")
    document = json.loads(result.stdout)
    (finding,) = document.pop("findings")
    assert (finding["name"], finding["line"], finding["how"]) == ("web.env", 1, [])
    assert document == {
        "verdict": "found", "skipped": [], "excused": [],
        "documents": 1, "bytes": 25, "missing": "",
    }  # fmt: skip


# -- settings -------------------------------------------------------------------------------------


def test_a_setting_that_is_a_secret_is_refused_and_an_exception_is_in_the_plan(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    given = ("sim://web", "v2", "--env", f"API_KEY={SECRET}")
    result = run("plan", *given, code=5)
    assert "setting API_KEY holds what looks like a secret" in result.output
    assert SECRET not in result.output
    result = run("plan", *given, "--allow-secret", "API_KEY=the vendor's public key")
    assert "setting API_KEY is said to be no secret: the vendor's public key" in result.output
    result = run("plan", *given, "--allow-secret", "KEY=public", code=2)
    assert "no setting of that name; name one that --env gives" in result.output
    assert "needs a reason" in run("plan", *given, "--allow-secret", "API_KEY", code=2).output


def test_a_fleet_is_made_with_an_exception_only(run):
    words = ("fleet", "create", "sim://web", "v1", "--size", 1, "--env", f"SALT={SECRET}")
    assert "setting SALT" in run(*words, code=5).output
    run(*words, "--allow-secret", "SALT=public")
