"""`--secret` and `--unset`: references go into revisions, values never into a command's answer."""

from __future__ import annotations

import json

import pytest

from immutable.cli.configuring import references
from immutable.errors import InvalidValue


def test_secrets_are_set_changed_and_left_out(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1, "--env", "A=1",
        "--secret", "DB=vault://kv/web#db", "--secret", "KEY=ours://k")  # fmt: skip
    plan = run("plan", "sim://web", "--env", "A=hush-hush", "--env", "B=3",
               "--secret", "DB=vault://kv/web2#db", "--unset", "KEY").stdout  # fmt: skip
    told = [line.split(maxsplit=1)[1] for line in plan.splitlines() if line.startswith("config ")]
    assert told == [
        "setting A changes",
        "setting B is new",
        "secret DB is vault://kv/web2#db, was vault://kv/web#db",
        "secret KEY goes, was ours://k",
    ]
    assert "hush-hush" not in plan
    run("replace", "sim://web", "--secret", "DB=vault://kv/web2#db", "--unset", "KEY")
    found = json.loads(run("plan", "sim://web", "v2", "--json").stdout)
    config = (found.get("plan") or found)["candidate"]["config"]
    assert config["secrets"] == {"DB": {"uri": "vault://kv/web2#db"}}
    assert config["environment"] == {"A": "1"}
    run("replace", "sim://web", "--unset", "A")
    again = run("plan", "sim://web", "--unset", "A", code=2).stderr
    assert "no such setting or secret; there are: DB" in " ".join(again.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--secret", "DB=hunter2"), "a secret's value has no place in a command"),
        (("--secret", "hunter2"), "write NAME=scheme://path"),
        (("--secret", "vault://ada:hunter2@kv/x=1"), "write NAME=scheme://path"),
        (("--secret", "DB=vault://ada:hunter2@kv/x"), "has no place in a reference"),
        (("--secret", "../DB=env://A"), "no name of a secret"),
        (("--secret", "DB=vault://kv"), "write vault://MOUNT/PATH"),
    ],
)
def test_wrong_ones_are_named_with_the_way_out_and_values_are_not_repeated(run, words, told):
    end = run("fleet", "create", "sim://web", "v1", "--size", 1, *words, code=2)
    shown = " ".join((end.stdout + end.stderr).split())
    assert told in shown
    assert "hunter2" not in shown


def test_what_has_no_name_is_not_repeated():
    with pytest.raises(InvalidValue) as caught:
        references(("hunter2",))
    assert "hunter2" not in repr(caught.value) + str(caught.value)
