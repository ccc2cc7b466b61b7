"""Approvals: of one plan and no other, by enough people, none of whom is its author."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import Limits, Plan, Rolling, digest
from immutable.backend import Capabilities, FleetState, Group, Instance, InstanceState
from immutable.planning.compile import replacement
from immutable.trust import (
    Flaw,
    NotTrusted,
    TrustedKey,
    TrustPolicy,
    approval,
    provenance,
    verify_approvals,
)
from tests.support.images import manifest
from tests.support.signing import enveloped, key
from tests.support.world import revision

NOW = datetime(2026, 11, 28, 17, tzinfo=UTC)


def plan() -> Plan:
    members = tuple(Instance(f"i-{n}", 1, InstanceState.READY) for n in range(10))
    state = FleetState("web", 0.0, (Group(revision(), 10),), members)
    image = revision(2, "v2").image
    return replacement("memory://web", state, image, None, Rolling(), Limits("25%"), Capabilities())


PLAN = plan()
PEOPLE = (key("laptop", owner="ada"), key("phone", owner="ada"), key("grace"), key("alan"))


def approved(*names: str, statement=None):
    made = statement or approval(PLAN, reason="CVE-2026-1", at=NOW)
    return [enveloped(made, name) for name in names]


def verify(envelopes, *, k: int = 2, author: str = "", plan: Plan = PLAN):
    policy = TrustPolicy(PEOPLE, threshold=k)
    return verify_approvals(plan, envelopes, policy, author=author, at=NOW)


def test_a_plan_that_enough_people_approve_is_approved():
    found = verify(approved("laptop", "grace"))
    assert (found.by, found.plan) == (("ada", "grace"), digest(PLAN))
    said = found.approvals[0]
    assert (said.fleet, said.reason, said.approved_at) == ("memory://web", "CVE-2026-1", NOW)
    assert "v2" in said.change


def test_each_may_say_something_else_and_at_another_time():
    one = approval(PLAN, reason="looks good", at=NOW)
    other = approval(PLAN, reason="me too", at=NOW - timedelta(hours=1))
    envelopes = approved("grace", statement=one) + approved("alan", statement=other)
    found = verify(envelopes, author="ada")
    said = dict(zip(found.by, found.approvals, strict=True))
    assert {who: each.reason for who, each in said.items()} == {
        "grace": "looks good",
        "alan": "me too",
    }
    assert said["alan"].approved_at == NOW - timedelta(hours=1)


def test_an_approval_says_when_it_was_made_if_it_is_not_told():
    before = datetime.now(UTC).replace(microsecond=0)
    found = verify([enveloped(approval(PLAN), "grace")], k=1)
    assert before <= found.approvals[0].approved_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("names", "author", "flaw", "said"),
    [
        (("laptop",), "", Flaw.TOO_FEW, "1 of 2 signatures"),
        (("laptop", "phone"), "", Flaw.SAME_OWNER, "are both keys of ada"),
        (("grace", "grace"), "", Flaw.SAME_KEY, "key 'grace' has signed twice"),
        (("laptop", "grace"), "ada", Flaw.AUTHOR, "'laptop' is that of ada, who wants the change"),
        (("phone", "grace"), "ada", Flaw.AUTHOR, "'phone' is that of ada"),
        (("grace", "alan"), "grace", Flaw.AUTHOR, "'grace' is that of grace"),
        (("grace", "mallory"), "", Flaw.UNKNOWN_KEY, "none of those that are trusted"),
    ],
)
def test_who_does_not_count_is_said(names, author, flaw, said):
    with pytest.raises(NotTrusted, match=said) as caught:
        verify(approved(*names), author=author)
    assert caught.value.flaw is flaw


def test_the_authors_approval_does_no_harm_where_there_are_enough_others():
    found = verify(approved("laptop", "grace", "alan"), author="ada")
    assert found.by == ("grace", "alan")
    assert len(found.approvals) == 2


NAMES = ("laptop", "phone", "grace", "alan", "mallory")


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=7),
       st.integers(1, 3), st.sampled_from(["", "ada", "grace", "nobody"]))  # fmt: skip
def test_a_plan_is_approved_exactly_when_k_people_beside_the_author_have_signed(names, k, author):
    owners = {"laptop": "ada", "phone": "ada", "grace": "grace", "alan": "alan"}
    people = {owners[name] for name in names if name in owners} - {author}
    if len(people) >= k:
        assert set(verify(approved(*names), k=k, author=author).by) == people
    else:
        with pytest.raises(NotTrusted):
            verify(approved(*names), k=k, author=author)


def changed(change: Callable[[dict[str, Any]], object]):
    data = json.loads(approval(PLAN, at=NOW).dump())
    change(data)
    return [enveloped(json.dumps(data).encode(), "grace")]


def said(**facts: object):
    return changed(lambda data: data["predicate"].update(facts))


@pytest.mark.parametrize(
    ("envelopes", "flaw", "words"),
    [
        (lambda: approved("grace", statement=provenance(manifest())),
         Flaw.PREDICATE_TYPE, "not a 'immutable-sdk:plan-approval/v1'"),
        (lambda: changed(lambda data: data.update(subject=[])),
         Flaw.SUBJECT_DIGEST, "approved was nothing, and the plan is sha256:"),
        (lambda: changed(lambda data: data["subject"][0].update(name="memory://shop")),
         Flaw.SUBJECT_NAME, "and the plan is for memory://web"),
        (lambda: changed(lambda data: data["subject"].append(data["subject"][0])),
         Flaw.SUBJECT_DIGEST, "approved was sha256:"),
        (lambda: said(fleet="memory://shop"), Flaw.PREDICATE, "fleet is 'memory://shop'"),
        (lambda: said(change="nothing"), Flaw.PREDICATE, "change is 'nothing', the plan's is"),
        (lambda: said(approved_at="yesterday"), Flaw.PREDICATE, "no time in UTC"),
        (lambda: said(expires="never"), Flaw.PREDICATE, "approval.expires='never': unknown"),
        (lambda: changed(lambda data: data["predicate"].pop("reason")),
         Flaw.PREDICATE, "approval.reason=None: missing"),
    ],
)  # fmt: skip
def test_what_is_no_approval_of_this_plan_is_refused(envelopes, flaw, words):
    with pytest.raises(NotTrusted) as caught:
        verify(envelopes(), k=1)
    assert caught.value.flaw is flaw
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"fleet": "memory://shop"}, {"notes": ("hurry",)}, {"strategy": "Rolling(1)"}]
)
def test_a_plan_that_was_changed_is_not_approved_any_more(change):
    other = evolve(PLAN, **change)
    with pytest.raises(NotTrusted, match=f"and the plan is {digest(other)}"):
        verify(approved("grace", "alan"), plan=other)


# -- who may sign ----------------------------------------------------------------------------------


def test_one_key_under_two_ids_can_not_make_two():
    twin = evolve(key("grace"), id="grace-2")
    with pytest.raises(ValueError, match="not from 1 to 1"):
        TrustPolicy((key("grace"), twin), threshold=2)
    policy = TrustPolicy((key("grace"), twin, key("alan")), threshold=2)
    with pytest.raises(NotTrusted):
        verify_approvals(PLAN, approved("grace"), policy, author="", at=NOW)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TrustPolicy(()), "no key at all"),
        (lambda: TrustPolicy((key("a"), key("a"))), "two keys of one id"),
        (lambda: TrustPolicy((key("a"),), threshold=0), "threshold=0: not from 1 to 1"),
        (lambda: TrustPolicy((key("a"),), threshold=True), "threshold=True: not from 1 to 1"),
        (lambda: TrustPolicy((key("a", owner="x"), key("b", owner="x")), threshold=2), "1 to 1"),
        (lambda: TrustPolicy((key("a", owner="x"), evolve(key("a"), id="b"))), "of another owner"),
        (lambda: TrustedKey("a", "no key"), "not a public key in PEM form"),
        (lambda: key("a", not_after=datetime(2027, 1, 1)), "a time of no time zone"),  # noqa: DTZ001
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def toml(more: str = "", pem: str = "") -> str:
    public = pem or key("ada").public
    return f"threshold = 1\n[[keys]]\nid = 'ada'\npublic = '''{public}'''\n{more}"


def test_a_policy_is_read_from_a_file_that_people_write():
    policy = TrustPolicy.from_toml(toml("owner = 'Ada'\nnot_after = 2027-01-01T00:00:00Z"))
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    assert policy == TrustPolicy((key("ada", owner="Ada", not_after=ends),))
    assert TrustPolicy.from_toml(toml().removeprefix("threshold = 1\n")) == TrustPolicy(
        (key("ada"),)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threshold = ", "no TOML"),
        ("", r"trust\.keys=None: missing"),
        ("keys = 1", r"trust\.keys=1: not a list"),
        ("keys = [1]", r"trust\.keys\[0\]=1: not an object"),
        (toml("colour = 'red'"), r"trust\.keys\[0\]\.colour='red': unknown"),
        (toml("owner = 1"), r"trust\.keys\[0\]\.owner=1: not a text"),
        (toml("not_after = 2027-01-01"), "not a text"),
        (toml("not_after = 2027-01-01T00:00:00"), "a time of no time zone"),
        (toml("id = 'twice'"), "no TOML"),
        (toml(pem="x"), "not a public key in PEM form"),
    ],
)
def test_a_policy_file_that_makes_no_sense_is_named_with_its_place(text, said):
    with pytest.raises(ValueError, match=said):
        TrustPolicy.from_toml(text)
