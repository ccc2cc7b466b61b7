"""Broken backends: the suite sees what is wrong with each, and says which rule it breaks."""

from __future__ import annotations

import re

import pytest

from immutable.memory import MemoryBackend
from immutable.testing.check import run_check
from immutable.testing.checks import catalogue
from tests.conformance.catching import PAGE, failure, page, seen_by
from tests.conformance.memory import MemoryAuthor
from tests.conformance.mutants import MUTANTS
from tests.conformance.mutants.weighing import Switches

ACCIDENT = re.compile(r"raised (TypeError|AttributeError|KeyError|ValueError|IndexError)")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.what)
def test_a_broken_backend_is_seen_by_a_check_of_the_rule_that_it_breaks(mutant):
    told = [text for _, text in seen_by(mutant)]
    assert told, f"nothing that proves {mutant.rule} sees it"
    # What falls over says nothing of what the suite can see.
    assert not all(ACCIDENT.search(text) for text in told), told


def test_there_are_many_and_each_is_broken_in_a_way_of_its_own():
    assert len(MUTANTS) >= 25
    assert len({mutant.what for mutant in MUTANTS}) == len(MUTANTS)
    assert len({mutant.kind for mutant in MUTANTS}) == len(MUTANTS)


def test_the_backend_that_they_are_made_of_is_whole():
    assert [check.name for check in catalogue() if failure(check, MemoryBackend)] == []


@pytest.mark.parametrize("name", [c.name for c in catalogue() if "weighted_traffic" in c.needs])
def test_one_that_switches_and_never_divides_is_whole(name):
    (check,) = [each for each in catalogue() if each.name == name]
    run_check(check, author := MemoryAuthor(), author.make(Switches))


def test_the_page_shows_what_is_checked_and_what_is_seen():
    assert PAGE.read_text() == page(), "python -m tests.conformance.catching writes it anew"
