"""Every rule of the contract has a check, or a reason why it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from immutable.testing import Accessors
from immutable.testing.checks import catalogue
from immutable.testing.rules import RULES, UNCHECKED
from immutable.testing.scrutiny import EVERY_LOOK

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "contract.md"
WRITTEN = dict(re.findall(r"^- \*\*([A-Z]\d+)\*\* (.*)$", CONTRACT.read_text(), re.MULTILINE))
CHECKED = {rule for check in catalogue() for rule in check.rules} | set(EVERY_LOOK)


def test_the_rules_in_words_are_those_of_the_contract():
    assert set(RULES) == set(WRITTEN)


@pytest.mark.parametrize("rule", [rule for rule, text in WRITTEN.items() if "MUST" in text])
def test_a_rule_that_must_be_kept_is_checked_or_says_why_not(rule):
    assert (rule in CHECKED) != (rule in UNCHECKED)


def test_reasons_are_given_only_for_what_is_not_checked():
    assert set(UNCHECKED) == set(RULES) - CHECKED
    assert all(UNCHECKED.values())


def test_checks_say_what_they_show_and_which_accessors_they_need():
    for check in catalogue():
        assert check.body.__doc__, check.name
        assert check.title.endswith("."), check.name
        assert all(hasattr(Accessors, name) for name in check.uses), check.name
        used = {name for name in check.body.__code__.co_names if name.startswith("raw_")}
        assert used <= set(check.uses), check.name
