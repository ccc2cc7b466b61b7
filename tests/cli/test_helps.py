"""Every command and every option says what it is for, and what it says is reviewed as a whole."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import click
import pytest

from tests.cli.helps import FILE, commands, text
from tests.support.shape import command_schema, wrong

DOCS = Path(__file__).parents[2] / "docs"
UNSPOKEN = {f"immutable {name}" for name in ("exec", "controller", "audit export", "completion")}
"""What has no document to print: it becomes another program, logs, writes JSON Lines anyway, or a
script."""


def leaves() -> list[click.Context]:
    return [each for each in commands() if not isinstance(each.command, click.Group)]


def test_the_helps_are_those_that_were_reviewed(monkeypatch):
    for name in ("IMMUTABLE_JOURNAL", "IMMUTABLE_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    assert text() == FILE.read_text(encoding="utf-8"), "run: python -m tests.cli.helps"


def test_what_a_list_says_of_a_command_is_what_the_command_says():
    for each in commands():
        places = getattr(each.command, "places", {})
        for name, place in places.items():
            command = each.command.commands[name]
            assert (command.name, place.said) == (name, command.get_short_help_str(95))


def test_no_line_of_a_list_of_commands_is_cut():
    assert re.findall(r"^.*\w\.\.\.$", text(), re.MULTILINE) == []


@pytest.mark.parametrize("each", list(commands()), ids=lambda each: each.command_path)
def test_everything_has_a_line_that_says_what_it_is_for(each):
    first = (each.command.help or "").split("\n\n")[0]
    assert first[:1].isupper(), each.command_path
    options = [param for param in each.command.params if isinstance(param, click.Option)]
    silent = [option.name for option in options if not (option.help or "").strip()]
    assert silent == []


def test_every_command_prints_json_and_what_it_prints_is_documented():
    speaks = {
        each.command_path
        for each in leaves()
        if any("--json" in option.opts for option in each.command.params)
    }
    assert {each.command_path for each in leaves()} - speaks == UNSPOKEN
    assert {f"immutable {name}" for name in command_schema()["commands"]} == speaks


def test_the_schema_and_its_page_are_not_stale():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        files = runpy.run_path(str(DOCS / "schemas.py"))["files"]()
    stale = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python docs/schemas.py"


def test_every_definition_is_used_and_there():
    schema = json.dumps(command_schema())
    for name in command_schema()["$defs"]:
        assert f'"#/$defs/{name}"' in schema, f"{name} is defined for nobody"
    for reference in schema.split('"#/$defs/')[1:]:
        assert reference.partition('"')[0] in command_schema()["$defs"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"fleet": "a", "deleted": True}, ""),
        ({"fleet": "a"}, "$ has no deleted"),
        ({"fleet": "a", "deleted": 1}, "$.deleted is '1', no boolean"),
        ({"fleet": 1, "deleted": True}, "$.fleet is '1', no string"),
        ({"fleet": "a", "deleted": True, "more": 1}, "$ has more, which is not documented"),
    ],
)
def test_the_check_bites(document, words):
    assert wrong(document, {"$ref": "#/$defs/Deleted"}) == words


def test_a_deletion_as_json(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    told = run("fleet", "delete", "sim://web", "--yes", "--json")
    assert json.loads(told.stdout) == {"fleet": "sim://web", "deleted": True}
