"""A policy as a file, and what may be done about the one that a fleet carries."""

from __future__ import annotations

import json

import pytest
from attrs import frozen

from immutable import InvalidValue
from immutable.admission import (
    Admission,
    AllOf,
    AnyOf,
    Approved,
    BaseAllowed,
    BuiltBy,
    BuiltFrom,
    FreezeWindow,
    MaxAge,
    NoDowngrade,
    NotRevoked,
    Policy,
    SignedBy,
    Span,
    TestsPassed,
    Weekly,
    break_glass,
    set_policy,
)
from immutable.catalog import Catalog
from immutable.errors import CatalogRefused
from tests.support.admitting import FLEET, case, image
from tests.support.cataloguing import after
from tests.support.images import BUILT
from tests.support.signing import pair, trusting

EVERYTHING = Policy([
    SignedBy(trusting("ada", "bob", threshold=2)),
    BuiltBy("https://ci.example.com/images"),
    BuiltFrom("https://example.com/acme/web", ["refs/heads/main", "refs/tags/v*"]),
    AllOf([MaxAge(30), AnyOf([TestsPassed(["boot"]), BaseAllowed(["debian"])])]),
    NotRevoked(7),
    NoDowngrade(),
    Approved(trusting("eve")),
    FreezeWindow([Weekly(["sat"], zone="Europe/Berlin")], [Span(BUILT, BUILT.replace(year=2027))]),
])  # fmt: skip

TOML = f"""
[[require]]
rule = "signed_by"
trust.threshold = 1
trust.keys = [{{ id = "ada", public = '''{pair("ada")[1]}''' }}]

[[require]]
rule = "any_of"
of = [
  {{ rule = "tests_passed" }},
  {{ rule = "freeze_window", weekly = [{{ days = ["sat", "sun"], zone = "Europe/Berlin" }}] }},
]

[[require]]
rule = "freeze_window"
spans = [{{ begin = 2026-12-20T00:00:00Z, end = 2027-01-02T00:00:00Z }}]
"""


def test_a_policy_is_the_same_when_it_is_read_back():
    text = EVERYTHING.dump()
    assert Policy.load(text) == EVERYTHING
    assert Policy.load(text).dump() == text


def test_people_write_it_with_what_is_usual_left_out():
    signed, either, frozen_then = Policy.from_toml(TOML).require
    assert signed == SignedBy(trusting("ada"))
    assert either == AnyOf([
        TestsPassed(), FreezeWindow([Weekly(["sat", "sun"], zone="Europe/Berlin")])
    ])  # fmt: skip
    assert str(frozen_then).endswith("2026-12-20T00:00:00Z to 2027-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("require = 3", "not a list"),
        ("", "write \\[\\[require"),
        ("[[require]]\nrule = 'max_age'\ndays = 'x'", "require\\[0\\].days"),
        ("[[require]]\nrule = 'max_age'", "require\\[0\\].days.*missing"),
        ("[[require]]\nrule = 'max_age'\ndays = 1\nhours = 1", "require\\[0\\].hours.*unknown"),
        ("[[require]]\nrule = 'max-age'\ndays = 1", "max_age"),
        ("[[require]]\ndays = 1", "write rule ="),
        ("[[require]]\nrule = 'any_of'\nof = []", "no rule at all"),
        ("[[require]]\nrule = 'any_of'", "write of ="),
        ("[[require]]\nrule = 'all_of'\nof = [{rule = 'max_age', days = 0}]", "of\\[0\\].days"),
        ("[[rules]]\nrule = 'max_age'", "policy.rules"),
        ("[[require", "no TOML"),
    ],
)
def test_a_file_with_a_mistake_in_it_says_where_and_what_instead(text, words):
    with pytest.raises(InvalidValue, match=words):
        Policy.from_toml(text)


@pytest.mark.parametrize("text", ["{}", "[]", '{"immutable-policy":2,"require":[]}', "not json"])
def test_what_is_no_policy_is_not_read_as_one(text):
    with pytest.raises(InvalidValue):
        Policy.load(text)


@frozen
class OnFridays:
    due = False

    def ruling(self, case):
        raise AssertionError


def test_a_fleet_carries_only_rules_that_can_be_read_back():
    with pytest.raises(InvalidValue, match="can't be read back"):
        Policy([OnFridays()]).dump()


def test_each_rule_is_asked_and_the_answers_are_in_their_order():
    rulings = Policy([MaxAge(30), BuiltBy("https://x.example.com"), NotRevoked()]).rulings(
        case(image())
    )
    assert [each.admission for each in rulings] == [
        Admission.PASS, Admission.FAIL, Admission.PASS
    ]  # fmt: skip
    assert Policy().rulings(case(image())) == ()


# -- on record -------------------------------------------------------------------------------------


def carrying(policy=EVERYTHING):
    return after(Catalog(), set_policy(Catalog(), FLEET, policy, actor="ada"))


def test_setting_the_policy_that_is_there_changes_nothing():
    assert set_policy(carrying(), FLEET, EVERYTHING, actor="bob") == ()
    (record,) = set_policy(carrying(), FLEET, None, actor="bob", reason="gone")
    assert (record.policy, record.reason) == ("", "gone")
    assert set_policy(Catalog(), FLEET, None, actor="bob") == ()
    (record,) = set_policy(carrying(), "memory://other", EVERYTHING, actor="bob")
    assert json.loads(record.policy)["require"][1]["rule"] == "built_by"


def test_breaking_the_glass_takes_a_reason_an_end_and_a_policy():
    catalog = carrying()
    with pytest.raises(InvalidValue, match="say why"):
        break_glass(catalog, 10.0, FLEET, 20.0, reason=" ", actor="ada")
    with pytest.raises(InvalidValue, match="in the past"):
        break_glass(catalog, 10.0, FLEET, 9.0, reason="CVE-1", actor="ada")
    with pytest.raises(CatalogRefused, match="no policy"):
        break_glass(Catalog(), 10.0, FLEET, 20.0, reason="CVE-1", actor="ada")
    with pytest.raises(CatalogRefused, match="in force"):
        break_glass(catalog, 10.0, FLEET, 10.0, reason="enough", actor="ada")
    broken = after(catalog, break_glass(catalog, 10.0, FLEET, 20.0, reason="CVE-1", actor="ada"))
    assert str(broken.bypass(FLEET, 19.9)) == "bypassed by ada: CVE-1"
    assert broken.bypass(FLEET, 20.0) is None
    mended = after(broken, break_glass(broken, 15.0, FLEET, 15.0, reason="done", actor="bob"))
    assert mended.bypass(FLEET, 15.0) is None
