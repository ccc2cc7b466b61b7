"""Rules that ask for signatures: of the image, and under the plan."""

from __future__ import annotations

import pytest
from attrs import evolve

pytest.importorskip("securesystemslib")

from immutable.admission import Admission, AllOf, AnyOf, Approved, MaxAge, SignedBy, hand_in
from immutable.admission.rule import asked
from immutable.catalog import Catalog
from immutable.errors import NotTrusted
from immutable.model.serial import digest
from immutable.trust import TrustPolicy, approval, dump_bundle, provenance
from tests.support.admitting import case, image
from tests.support.images import BUILT
from tests.support.signing import enveloped, key, trusting

PASS, FAIL, UNKNOWN = Admission
SIGNED = SignedBy(trusting("ada", "bob", "eve", threshold=2))
APPROVED = Approved(trusting("ada", "bob", "eve", threshold=2))


def signed(made, *names):
    return [enveloped(provenance(made), *names)]


def test_an_image_has_to_be_signed_by_enough_people():
    made = image()
    rulings = {
        names: SIGNED.ruling(case(made, signed=signed(made, *names) if names else ()))
        for names in ((), ("ada",), ("ada", "bob"), ("ada", "mallory"))
    }
    found = {names: each.admission for names, each in rulings.items()}
    assert found == {
        (): UNKNOWN,
        ("ada",): FAIL,
        ("ada", "bob"): PASS,
        ("ada", "mallory"): FAIL,
    }
    assert "signed with ada, bob" in str(rulings["ada", "bob"])
    assert str(SIGNED) == "signed by 2 of ada, bob, eve"


def test_a_signature_of_another_image_is_none():
    ruling = SIGNED.ruling(case(image(), signed=signed(image("1.4.1"), "ada", "bob")))
    assert ruling.admission is FAIL
    assert "manifest's digest" in ruling.why


def test_a_key_that_is_no_longer_valid_does_not_count():
    trust = TrustPolicy((key("ada", not_after=BUILT),))
    ruling = SignedBy(trust).ruling(case(image(), signed=signed(image(), "ada")))
    assert ruling.admission is FAIL


def test_approvals_are_asked_for_when_the_rollout_begins():
    about = case(image(), actor="carol")
    early = asked(APPROVED, about)
    assert (early.admission, early.pending, early.blocks) == (UNKNOWN, True, False)
    late = asked(APPROVED, evolve(about, starting=True))
    assert (late.admission, late.blocks) == (UNKNOWN, True)
    assert digest(about.plan) in late.why


@pytest.mark.parametrize(
    ("names", "author", "admission"),
    [
        (("ada", "bob"), "carol", PASS),
        (("ada",), "carol", FAIL),
        (("ada", "bob"), "ada", FAIL),
        (("ada", "bob", "eve"), "ada", PASS),
        (("ada", "mallory"), "carol", FAIL),
    ],
)
def test_a_plan_has_to_be_approved_by_enough_people_but_its_author(names, author, admission):
    about = case(image(), actor=author, starting=True)
    given = tuple(enveloped(approval(about.plan, at=BUILT), name) for name in names)
    assert APPROVED.ruling(evolve(about, approvals=given)).admission is admission


def test_an_approval_of_another_plan_is_none():
    about, other = case(image(), starting=True), case(image("1.4.3"))
    given = tuple(enveloped(approval(other.plan, at=BUILT), name) for name in ("ada", "bob"))
    ruling = APPROVED.ruling(evolve(about, approvals=given))
    assert (ruling.admission, "approved was" in ruling.why) == (FAIL, True)


def test_what_is_handed_in_has_to_be_signatures():
    plan = case(image()).plan
    bundle = dump_bundle([enveloped(approval(plan, at=BUILT), "ada")])
    (record,) = hand_in(Catalog(), plan, bundle, actor="carol")
    assert (record.plan, record.signed, record.actor) == (digest(plan), bundle, "carol")
    with pytest.raises(NotTrusted):
        hand_in(Catalog(), plan, "no signature", actor="carol")


def test_one_rule_of_several_is_enough_and_what_may_yet_come_is_waited_for():
    made = image()
    either = AnyOf([SIGNED, APPROVED])
    unsigned = case(made, actor="carol")
    assert asked(either, unsigned).pending
    assert asked(either, evolve(unsigned, starting=True)).admission is UNKNOWN
    ruling = asked(either, case(made, signed=signed(made, "ada", "bob")))
    assert (ruling.admission, ruling.pending) == (PASS, False)
    assert "signed with ada, bob" in ruling.why


def test_all_rules_of_several_say_the_worst_of_what_they_say():
    made = image()
    both = AllOf([MaxAge(30), APPROVED])
    assert asked(both, case(made)).pending
    assert asked(both, case(made, now=BUILT.replace(year=2027))).admission is FAIL
    neither = AnyOf([MaxAge(30), SIGNED])
    old = case(made, signed=signed(made, "ada"), now=BUILT.replace(year=2027))
    ruling = asked(neither, old)
    assert ruling.admission is FAIL
    assert "not older than 30 days" in ruling.why
    assert "signed by 2 of" in ruling.why
