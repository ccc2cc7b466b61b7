"""What is configured: files, the environment, what is typed, and which of them holds."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.cli.rollouts import replace
from immutable.cli.settings import KEYS, Setting, defaults, settled
from tests.cli.conftest import SimBackend


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's directory below another one, and a user's file beside them."""
    made = tmp_path / "project" / "deep"
    made.mkdir(parents=True)
    (tmp_path / "config" / "immutable").mkdir(parents=True)
    monkeypatch.chdir(made)
    return tmp_path


def user(place, text):
    (place / "config" / "immutable" / "config.toml").write_text(text)


def project(place, text, name=".immutable.toml"):
    (place / "project" / name).write_text(text)


def at(place, **variables):
    variables = {"XDG_CONFIG_HOME": str(place / "config"), **variables}
    return {k: v.value for k, v in settled(place / "project" / "deep", variables).items()}


def test_nothing_configured_is_nothing(place):
    assert at(place) == {}
    assert defaults({}) == {}


@given(holds=st.sets(st.sampled_from(["user", "project", "environment"])))
def test_the_nearer_one_holds(tmp_path_factory, holds):
    place = tmp_path_factory.mktemp("place")
    (place / "project" / "deep").mkdir(parents=True)
    (place / "config" / "immutable").mkdir(parents=True)
    if "user" in holds:
        user(place, 'actor = "user"\njournal = "u.db"')
    if "project" in holds:
        project(place, '[tool.immutable]\nactor = "project"', "pyproject.toml")
    variables = {"IMMUTABLE_ACTOR": "environment"} if "environment" in holds else {}
    order = [each for each in ("environment", "project", "user") if each in holds]
    found = at(place, **variables)
    assert found.get("actor") == (order[0] if order else None)
    # A file that holds for one key takes no other one away.
    assert found.get("journal") == ("u.db" if "user" in holds else None)


def test_the_nearest_projects_file_is_read_and_no_other(place):
    project(place, 'fleet = "sim://far"\nactor = "far"')
    (place / "project" / "deep" / "pyproject.toml").write_text("[tool.other]\n")
    assert at(place)["fleet"] == "sim://far"
    (place / "project" / "deep" / ".immutable.toml").write_text('fleet = "sim://near"')
    assert at(place) == {"fleet": "sim://near"}


def test_a_file_that_is_named_stands_for_both(place):
    user(place, 'actor = "user"')
    project(place, 'actor = "project"')
    named = place / "named.toml"
    named.write_text('fleet = "sim://web"')
    assert at(place, IMMUTABLE_CONFIG=str(named)) == {"fleet": "sim://web"}
    with pytest.raises(InvalidValue, match="there is no such file"):
        at(place, IMMUTABLE_CONFIG=str(place / "none.toml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('jurnal = "a"', "did you mean journal?"),
        ("[limits]\nmax_surg = 1", "limits.max_surg=1: there is no such key; did you mean"),
        ("zebra = 1", "there are: journal, actor"),
        ("journal = 1", "journal=1: not a text"),
        ('output = "xml"', "not one of text, json"),
        ("limits = 1", "write [limits]"),
        ('[limits]\nmax_failures = "x"', "not a whole number"),
        ("[limits]\nhedge = 1", "not true or false"),
        ("[limits]\nmax_surge = true", "not a number or a share"),
        ("[limits]\nmin_ready = []", "not seconds"),
        ("journal = ", "can't be read"),
    ],
)
def test_what_makes_no_sense_names_the_file_the_key_and_the_way_out(place, run, text, words):
    project(place, text)
    said = run("history", "sim://web", code=2).stderr
    assert str(place / "project" / ".immutable.toml") in said
    assert words in said
    assert "Usage" in run("history", "--help").stdout  # A broken file keeps no help back.


def test_a_key_of_a_projects_metadata_is_named_too(place, run):
    project(place, "[tool.immutable.limits]\nmax_surg = 1", "pyproject.toml")
    said = run("history", "sim://web", code=2).stderr
    assert "pyproject.toml: limits.max_surg=1" in said
    project(place, "[tool]\nimmutable = 1", "pyproject.toml")
    assert "write [tool.immutable]" in run("history", "sim://web", code=2).stderr


def test_the_environment_is_checked_too(run, monkeypatch):
    monkeypatch.setenv("IMMUTABLE_OUTPUT", "loud")
    assert "IMMUTABLE_OUTPUT='loud': not one of text, json" in run("config", code=2).stderr


def test_a_fleet_that_is_configured_need_not_be_typed(run, place):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    run("fleet", "create", "sim://other", "v1", "--size", 2)
    project(place, 'fleet = "sim://web"')
    assert "sim://web" in run("fleet", "status").stdout
    assert "sim://other" in run("fleet", "status", "sim://other").stdout
    assert "r2 v2" in run("plan", "v2").stdout
    assert "r2 v2" in run("plan", "--min-ready", "1s", "v2").stdout
    assert "sim://other" in run("plan", "sim://other", "v2").stdout
    assert "has 3 instances" in run("fleet", "scale", 3).stdout
    assert "succeeded" in run("replace", "v2").output
    assert "r2" in run("history").stdout


def test_without_one_it_has_to_be_typed(run, place):
    assert "Missing argument 'URL'" in run("fleet", "status", code=2).stderr


def test_limits_are_defaults_that_what_is_typed_stands_above(run, place):
    run("fleet", "create", "sim://web", "v1", "--size", 4)
    project(place, "[limits]\nmax_surge = 3\nmin_ready = '2s'\n")
    shown = run("plan", "sim://web", "v2").stdout
    assert "max_surge 3" in shown
    assert "min_ready 2 s" in shown
    typed = run("plan", "sim://web", "v2", "--max-surge", "2").stdout
    assert "max_surge 2" in typed
    assert "min_ready 2 s" in typed


def test_a_default_surge_leaves_room_for_two_whole_groups_and_a_typed_one_does_not(
    run, place, monkeypatch
):
    able = evolve(SimBackend.capabilities, weighted_traffic=True)
    monkeypatch.setattr(SimBackend, "capabilities", able)
    run("fleet", "create", "sim://web", "v1", "--size", 4)
    project(place, "strategy = 'blue-green'\n[limits]\nmax_surge = 1\n")
    assert "max_surge 100%" in run("plan", "sim://web", "v2").stdout
    run("plan", "sim://web", "v2", "--max-surge", "1", code=5)


def test_a_limit_that_makes_no_sense_is_said_as_when_it_is_typed(run, place):
    project(place, "[limits]\nmin_ready = 'soon'\n")
    assert "not a duration" in run("plan", "sim://web", "v2", code=2).stderr


def test_output_is_a_default_too(run, place, monkeypatch):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    project(place, 'output = "json"')
    assert json.loads(run("fleet", "list", "sim").stdout) == ["sim://web"]
    assert run("fleet", "list", "sim", "--no-json").stdout == "sim://web\n"
    monkeypatch.setenv("IMMUTABLE_OUTPUT", "text")
    assert run("fleet", "list", "sim").stdout == "sim://web\n"
    assert json.loads(run("fleet", "list", "sim", "--json").stdout) == ["sim://web"]


def test_the_journal_is_where_the_nearest_one_says(run, place, monkeypatch):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    monkeypatch.delenv("IMMUTABLE_JOURNAL")
    project(place, f'journal = "{place / "other.db"}"')
    assert "created" not in run("history", "sim://web").stdout
    assert (place / "other.db").exists()


def test_what_is_configured_is_shown_with_its_source(run, place, monkeypatch):
    monkeypatch.delenv("IMMUTABLE_JOURNAL")
    monkeypatch.setenv("IMMUTABLE_ACTOR", "ada")
    user(place, 'actor = "bob"\nstrategy = "canary"')
    shown = run("config").stdout
    assert "actor = 'ada'  (IMMUTABLE_ACTOR)" in shown
    file = str(place / "config" / "immutable" / "config.toml")
    assert f"strategy = 'canary'  ({file})" in shown
    told = json.loads(run("config", "--json").stdout)
    assert told["strategy"] == {"value": "canary", "source": file}


def test_every_key_has_an_option_that_it_stands_for():
    options = {param.name for param in replace.params}
    assert set(defaults({key: Setting("json", "") for key in KEYS})) <= options
