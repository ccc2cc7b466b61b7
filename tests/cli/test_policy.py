"""Policies of fleets as they are typed: set, asked, approved for, bypassed."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("securesystemslib")

from immutable.trust import provenance
from tests.support.admitting import image
from tests.support.signing import enveloped, pair

URL = "sim://web"


def trust(word: str, *names: str, threshold: int = 1) -> str:
    keys = ", ".join(f'{{ id = "{name}", public = """{pair(name)[1]}""" }}' for name in names)
    rule = f'[[require]]\nrule = "{word}"\ntrust.threshold = {threshold}\n'
    return f"{rule}trust.keys = [{keys}]\n"


@pytest.fixture
def place(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for number, names in ((1, ()), (2, ("ada",))):
        made = image(f"{number}.0", "sim")
        (tmp_path / f"web-{number}.json").write_bytes(made.dump())
        if names:
            signed = enveloped(provenance(made), *names).dump()
            (tmp_path / f"web-{number}.json.intoto.jsonl").write_text(signed + "\n")
        run("image", "add", f"web-{number}.json")
    for name in ("bob", "eve"):
        (tmp_path / f"{name}.pem").write_text(pair(name)[0])
    (tmp_path / "policy.toml").write_text(trust("signed_by", "ada") + trust("approved", "bob"))
    return tmp_path


@pytest.fixture
def guarded(run, place):
    run("fleet", "create", URL, "web-1.0", "--size", "2")
    run("policy", "set", URL, "policy.toml", "--reason", "as agreed")
    return place


def test_a_fleet_carries_a_policy_until_it_is_cleared(run, guarded):
    shown = run("policy", "show", URL).stdout
    assert f"{URL} launches an image if it is or has" in shown
    assert "  signed by 1 of ada\n" in shown
    assert "  approved by 1 of bob, not by who wants it\n" in shown
    assert "by ada: as agreed" in shown
    told = json.loads(run("policy", "show", URL, "--json").stdout)
    assert [each["rule"] for each in told["require"]] == ["signed_by", "approved"]
    assert (told["actor"], told["reason"], told["bypass"]) == ("ada", "as agreed", None)
    run("policy", "clear", URL, "--reason", "no longer")
    assert "carries no policy" in run("policy", "show", URL).stdout


def test_a_plan_needs_what_the_policy_asks_for(run, guarded):
    assert "signed by 1 of ada: FAIL" not in run("plan", URL, "web-2.0", "--out", "plan").stdout
    assert "web-9.0 is not in the catalog" in run("plan", URL, "web-9.0", code=5).stderr
    for version, code, said in (("web-2.0", 0, "pass"), ("web-9.0", 5, "unknown")):
        told = json.loads(run("plan", URL, version, "--json", code=code).stdout)
        assert {each["admission"] for each in told["rulings"] if not each["pending"]} == {said}
    assert "nobody has approved sha256:" in run("apply", "plan", code=5).stderr
    run("approve", "plan", "--key", "eve.pem")
    assert "FAIL" in run("apply", "plan", code=5).stderr
    run("approve", "plan", "--key", "bob.pem")
    run("apply", "plan")
    log = run("audit", "changes", "--json").stdout
    assert json.loads(log)[-1]["policy"]["admitted"] is True


def test_a_broken_glass_has_a_reason_and_an_end(run, guarded):
    assert "Missing option '--for'" in run(
        "policy", "break-glass", URL, "--reason", "x", code=2
    ).stderr  # fmt: skip
    assert (
        "say why"
        in run("policy", "break-glass", URL, "--for", "1h", "--reason", " ", code=2).stderr
    )
    shown = run(
        "policy", "break-glass", URL, "--for", "1h", "--reason", "CVE-1 is exploited"
    ).stdout
    assert "UTC it is bypassed by ada: CVE-1 is exploited" in shown
    run("replace", URL, "web-2.0")
    emergency = json.loads(run("audit", "changes", "--json").stdout)[-1]["emergency"]
    assert emergency == "bypassed by ada: CVE-1 is exploited"
    run("policy", "break-glass", URL, "--for", "0", "--reason", "it is over")
    assert json.loads(run("policy", "show", URL, "--json").stdout)["bypass"] is None
    assert "signed by 1 of ada: UNKNOWN" in run("plan", URL, "web-1.0", code=5).stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[require]]\nrule = 'max-age'\n", "max_age"),
        ("[[require]]\nrule = 'max_age'\ndays = -1\n", "require[0].days=-1"),
        ("rules", "no TOML"),
    ],
)
def test_a_policy_with_a_mistake_is_not_set(run, guarded, text, words):
    (guarded / "wrong.toml").write_text(text)
    assert words in run("policy", "set", URL, "wrong.toml", "--reason", "x", code=2).stderr
    assert "signed by 1 of ada" in run("policy", "show", URL).stdout


def test_there_is_no_policy_for_a_fleet_that_is_not_there(run, guarded):
    said = run("policy", "set", "sim://wep", "policy.toml", "--reason", "x", code=1).stderr
    assert "sim://web" in said or "web" in said
