"""Rules about images: each says PASS, FAIL or UNKNOWN, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.admission import (
    Admission,
    BaseAllowed,
    BuiltBy,
    BuiltFrom,
    MaxAge,
    NoDowngrade,
    NotRevoked,
    TestsPassed,
)
from immutable.admission.lineage import _order
from immutable.catalog import revoke
from immutable.trust import TestResult
from tests.support.admitting import case, image
from tests.support.cataloguing import after
from tests.support.images import BASE, BUILT

PASS, FAIL, UNKNOWN = Admission
CI = "https://ci.example.com/images"
REPOSITORY = "https://example.com/acme/web"
DAY = timedelta(days=1)


def says(rule, about, admission, *words):
    ruling = rule.ruling(about)
    assert ruling.admission is admission, ruling
    assert ruling.blocks is (admission is not PASS)
    for word in words:
        assert word in str(ruling)


@pytest.mark.parametrize(
    "rule",
    [BuiltBy(CI), BuiltFrom(REPOSITORY), MaxAge(1), NotRevoked(), TestsPassed(), BaseAllowed(BASE)],
    ids=lambda rule: type(rule).__name__,
)
def test_of_an_image_that_the_catalog_does_not_know_nothing_is_known(rule):
    says(rule, case(), UNKNOWN, "web-9 is not in the catalog", "immutable image add")


@pytest.mark.parametrize(
    ("rule", "admission", "words"),
    [
        (BuiltBy(["https://other.example.com", CI]), PASS, CI),
        (BuiltBy("https://other.example.com"), FAIL, CI),
        (BuiltFrom(REPOSITORY), PASS, "refs/heads/main"),
        (BuiltFrom(REPOSITORY, "refs/heads/main"), PASS, "at refs/heads/main"),
        (BuiltFrom(REPOSITORY, ["refs/tags/v*", "refs/heads/*"]), PASS, REPOSITORY),
        (BuiltFrom(REPOSITORY, "refs/tags/v*"), FAIL, "refs/heads/main"),
        (BuiltFrom("https://example.com/fork/web"), FAIL, REPOSITORY),
        (BaseAllowed(BASE), PASS, BASE),
        (BaseAllowed("sha256:" + "e" * 64), FAIL, BASE),
    ],
    ids=str,
)
def test_how_an_image_came_to_be_is_compared_with_what_is_expected(rule, admission, words):
    says(rule, case(image()), admission, words, "web:1.4.2")


def test_what_a_manifest_does_not_say_is_unknown():
    says(BuiltFrom(REPOSITORY), case(image(source=None)), UNKNOWN, "names no source")
    says(BaseAllowed(BASE), case(image(base="")), UNKNOWN, "names no base")


def test_a_base_of_the_catalog_may_be_meant_by_its_name():
    base = image("12.1", name="debian", base="")
    about = case(image(base=base.digest), others=[base])
    says(BaseAllowed("debian"), about, PASS, "debian:12.1")
    says(BaseAllowed("debian:12.1"), about, PASS)
    says(BaseAllowed(["debian:12.0", "alpine"]), about, FAIL, "debian:12.1")


@pytest.mark.parametrize(
    ("age", "admission"),
    [
        (timedelta(), PASS),
        (30 * DAY, PASS),
        (30 * DAY + timedelta(seconds=1), FAIL),
        (-timedelta(minutes=59), PASS),
        (-timedelta(hours=2), UNKNOWN),
    ],
)
def test_an_image_may_be_so_old_and_not_older(age, admission):
    says(MaxAge(30), case(image(), now=BUILT + age), admission, "built at 2026-11-28T16:29:02Z")


def image_with(**passed):
    at = "memory:///web-1.4.2"
    return image(tests=tuple(TestResult(name, each, at) for name, each in passed.items()))


def test_tests_have_to_be_passed_by_what_is_launched():
    says(TestsPassed(), case(image_with(boot=True)), PASS, "has passed boot")
    says(TestsPassed(["boot"]), case(image_with(boot=True, http=True)), PASS)
    says(TestsPassed(), case(image_with(boot=True, http=False)), FAIL, "did not pass http")
    says(TestsPassed(), case(image()), UNKNOWN, "any test")
    says(TestsPassed(["http"]), case(image_with(boot=True)), UNKNOWN, "http")
    elsewhere = image(tests=(TestResult("boot", True, "aws://eu-west-1/ami-1"),))
    says(TestsPassed(["boot"]), case(elsewhere), UNKNOWN, "boot")


def test_a_revocation_that_was_announced_counts_so_many_days_ahead():
    about = case(image())
    now = about.now
    said = revoke(about.catalog, BASE, now, reason="CVE-1", actor="ada", at=now + 3 * 86_400)
    about = evolve(about, catalog=after(about.catalog, said))
    says(NotRevoked(), about, PASS)
    says(NotRevoked(days=3), about, FAIL, "2026-12-01T16:29:02Z", "CVE-1")
    says(NotRevoked(days=2), about, PASS)


@pytest.mark.parametrize(
    ("present", "wanted", "admission"),
    [
        ("1.4.1", "1.4.2", PASS),
        ("1.4.2", "1.4.2", PASS),
        ("1.10.0", "1.9.0", FAIL),
        ("1.4.0", "1.4.0-rc.1", FAIL),
        ("1.4.0-rc.2", "1.4.0-rc.10", PASS),
        ("v2", "2.0.0", PASS),
        ("2026.11.28", "2026.11.27", FAIL),
        ("spring", "summer", UNKNOWN),
        ("1.0", "summer", UNKNOWN),
    ],
)
def test_a_version_below_the_one_that_runs_is_a_downgrade(present, wanted, admission):
    about = case(image(wanted), running=image(present, parameters={"machine": "other"}))
    says(NoDowngrade(), about, admission, f"web:{present}")


def test_going_back_to_what_ran_before_is_no_downgrade_and_further_back_is():
    about = case(image("1.4.0"), running=image("1.4.2"))
    says(NoDowngrade(), about, FAIL)
    says(NoDowngrade(), evolve(about, previous="web-1.4.0"), PASS, "what the fleet ran before")
    says(NoDowngrade(), evolve(about, previous="web-1.4.1"), FAIL)


def test_nothing_is_below_an_image_of_another_name():
    about = case(image("1.4.0"), running=image("9.0", name="old"))
    says(NoDowngrade(), about, PASS, "no version of web")


# Semantic Versioning 2.0.0, § 11.
ORDERED = (
    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1",
)  # fmt: skip


def test_versions_are_ordered_as_semantic_versioning_says():
    keys = [_order(each) for each in ORDERED]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert _order("1.0.0+a") == _order("1.0.0+b")


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3))
def test_zeros_at_the_end_of_a_version_say_nothing(numbers, zeros):
    text = ".".join(map(str, numbers))
    assert _order(text) == _order(text + ".0" * zeros)


def test_of_an_artifact_that_two_versions_have_the_worst_is_said():
    about = case(image_with(boot=True), image("1.4.3"))
    says(TestsPassed(), about, UNKNOWN, "web:1.4.3")
    says(TestsPassed(), case(image_with(boot=False), image("1.4.3")), FAIL, "web:1.4.2")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: MaxAge(0), "days"),
        (lambda: MaxAge(1.5), "days"),
        (lambda: NotRevoked(-1), "days"),
        (lambda: BuiltBy("no uri"), "builders"),
        (lambda: BuiltBy([]), "builders"),
        (lambda: BuiltFrom(""), "repository"),
        (lambda: BuiltFrom("https://u:p@example.com/x"), "repository"),
        (lambda: BaseAllowed([]), "bases"),
    ],
)
def test_a_rule_that_makes_no_sense_can_not_be_made(make, name):
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.name == name
