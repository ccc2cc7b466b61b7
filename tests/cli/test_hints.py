"""Who is wrong is told what to type next."""

from __future__ import annotations

import pytest

from immutable.cli.hints import hints
from immutable.errors import (
    Denied,
    FleetBusy,
    FleetNotFound,
    Gone,
    InvalidValue,
    JournalError,
    NothingToRecover,
    PlanStale,
    RegistryError,
)

AWS = "aws://eu-west-1/web"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FleetNotFound("aws://eu-west-1/wbe", ("api", "web")), ("did you mean aws://eu-west-1/web?",)),
        (FleetNotFound("local://wbe", ("web",)), ("did you mean local://web?",)),
        (FleetNotFound(AWS, ("zebra",)), ("immutable fleet list aws://eu-west-1",)),
        (FleetNotFound("local://a", ("zebra",)), ("immutable fleet list local",)),
        (
            FleetNotFound("local://web"),
            (
                "make one with: immutable fleet create local://web IMAGE --size N",
                "or take a group that is there: immutable fleet adopt local://web",
            ),
        ),
        (
            FleetBusy(AWS, "r"),
            (f"immutable watch {AWS}", f"immutable abort {AWS}", f"immutable recover {AWS}"),
        ),
        (NothingToRecover(AWS), (f"how its rollouts ended: immutable history {AWS}",)),
        (PlanStale(("x",)), ("make a new one with: immutable plan URL IMAGE --out FILE",)),
        (JournalError("x"), ("what works here, and what does not: immutable doctor",)),
        (RegistryError("x"), ()),
        (InvalidValue("size", 1, "x"), ()),
        (Gone("x"), ()),
    ],
)  # fmt: skip
def test_each_error_has_its_next_command(error, said):
    assert hints(error) == said


def test_credentials_that_are_refused_are_looked_at_by_doctor():
    assert "immutable doctor PLACE" in hints(Denied("no"))[0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fleet", "status", "sim://wbe"], 1, "did you mean sim://web?"),
        (["fleet", "status", "sin://web"], 1, "did you mean sim://? Else try: pip install"),
        (["recover", "sim://web"], 1, "immutable history sim://web"),
        (["plna"], 2, "Did you mean 'plan'?"),
        (["fleet", "stauts", "sim://web"], 2, "Did you mean 'status'?"),
        (["plan", "sim://web", "v2", "--max-surg", "1"], 2, "--max-surge"),
    ],
)
def test_what_is_typed_wrong_is_told_the_right_thing(run, words, code, said):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert said in run(*words, code=code).stderr


def test_no_plan_file_and_no_journal_are_told_what_to_do(run, tmp_path):
    file = tmp_path / "bad.json"
    file.write_text("{}")
    assert "immutable plan URL IMAGE --out FILE" in run("apply", file, code=2).stderr
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file" / "journal.db")
    said = run("history", "sim://web", "--journal", nowhere, code=1).stderr
    assert "immutable doctor" in said
