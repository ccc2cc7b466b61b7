"""`immutable doctor`: what is installed, what works, what is missing."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

import pytest
from click.testing import CliRunner

from immutable import checkup, registry
from immutable.checkup import Condition, installation
from immutable.cli.commands import cli
from immutable.errors import Denied
from tests.cli.conftest import SimBackend


def doctor(*words):
    return CliRunner().invoke(cli, ["doctor", "--json", *words])


def findings(*words):
    told = json.loads(doctor(*words).stdout.splitlines()[0])["findings"]
    return {each["subject"]: each for each in told}


def test_what_is_installed_is_told_and_nothing_of_it_is_broken(surroundings):
    found = findings()
    assert found["immutable-sdk"]["condition"] == "works"
    assert metadata.version("immutable-sdk") in found["immutable-sdk"]["detail"]
    assert found["backend memory"]["condition"] == "works"
    assert found["metric source prometheus"]["condition"] == "works"
    assert "extra dev" not in found
    assert doctor().exit_code == 0


def test_an_extra_that_lacks_something_says_what_to_type(monkeypatch):
    real = metadata.version

    def version(name):
        if name == "asyncpg":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(checkup.metadata, "version", version)
    found = {each.subject: each for each in installation()}
    lacking = found["extra postgres"]
    assert lacking.condition is Condition.MISSING
    assert lacking.detail == "asyncpg not installed"
    assert lacking.way_out == "pip install 'immutable-sdk[postgres]'"
    assert found["extra cli"].condition is Condition.WORKS


@pytest.mark.parametrize("where", [None, "/opt/bin/packer"])
def test_programs_that_plugins_drive_are_looked_for(monkeypatch, where):
    monkeypatch.setattr(shutil, "which", lambda name: where if name == "packer" else f"/bin/{name}")
    found = {each.subject: each for each in installation()}
    packer = found["program packer"]
    assert packer.condition is (Condition.WORKS if where else Condition.MISSING)
    assert (packer.detail, "builder packer" in packer.way_out) == (
        where or "not on PATH",
        not where,
    )
    assert found["program syft"].detail == "/bin/syft"


def test_a_plugin_that_cannot_be_loaded_is_broken_and_hides_no_other(monkeypatch):
    point = metadata.EntryPoint("bad", "no_such_module_anywhere:Backend", registry.GROUP)
    real = registry.installed

    def installed(group):
        return metadata.EntryPoints([*real(group), *([point] if group == registry.GROUP else [])])

    monkeypatch.setattr(registry, "installed", installed)
    found = {each.subject: each for each in installation()}
    assert found["backend bad"].condition is Condition.BROKEN
    assert "No module named 'no_such_module_anywhere'" in found["backend bad"].detail
    assert found["backend memory"].condition is Condition.WORKS
    end = doctor()
    assert end.exit_code == 1
    assert "can't be used: backend bad" in end.stderr


def test_resolvers_of_secrets_are_told(monkeypatch):
    def plugins(group):
        return ("file", "nobodys") if group == "immutable.secrets" else ()

    monkeypatch.setattr(checkup, "plugins", plugins)
    found = {each.subject: each for each in installation()}
    assert found["secret resolver file"].detail == "immutable.secrets.file"
    assert found["secret resolver nobodys"].condition is Condition.BROKEN
    assert "no resolver for nobodys://" in found["secret resolver nobodys"].detail


def test_places_are_reached_with_the_credentials_that_are_here(cloud, monkeypatch):
    assert "reached; fleets: none" in findings("sim://")["sim://"]["detail"]

    async def denied(self):
        raise Denied("the key of tester has expired")

    monkeypatch.setattr(SimBackend, "open", denied)
    end = doctor("sim://")
    assert end.exit_code == 1
    assert "can't be used: sim://" in end.stderr
    assert findings("sim://")["sim://"]["detail"] == "the key of tester has expired"
    assert "no backend for nope://" in findings("nope://x")["nope://x"]["detail"]


def test_a_place_that_makes_no_sense_is_told_as_such(surroundings):
    end = doctor("://")
    assert end.exit_code == 2
    assert "not a fleet's address" in end.stderr


def test_a_journal_that_is_not_there_is_not_made(monkeypatch, tmp_path):
    place = tmp_path / "not" / "yet" / "journal.db"
    told = findings("--journal", str(place))["journal"]
    assert told["condition"] == "works"
    assert told["detail"] == f"{place}: made by the first rollout"
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_no_journal_is_broken(tmp_path):
    place = tmp_path / "journal.db"
    place.write_text("something else" * 100)
    end = doctor("--journal", str(place))
    assert end.exit_code == 1
    assert "journal: mend it, or pass --journal" in end.stderr
    assert place.read_text() == "something else" * 100


def test_a_password_of_a_journal_is_told_to_nobody(monkeypatch):
    end = doctor("--journal", "postgresql://ada:not-for-all@127.0.0.1:1/book")
    assert end.exit_code == 1
    assert "not-for-all" not in end.output + end.stderr


def test_a_table_for_people(cloud):
    end = CliRunner().invoke(cli, ["doctor", "sim://"], terminal_width=200)
    assert end.exit_code == 0
    assert "works" in end.output
    assert "extra cli" in end.output
