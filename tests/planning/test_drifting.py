"""Verdicts: what is missing is unknown, whatever else was seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immutable import FleetState, Image, Instance, Revision
from immutable.backend import DriftCode, DriftReason, Group, Inspected, Inspection, Stray
from immutable.model.drift import DriftVerdict
from immutable.planning.drifting import blank, report

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN
ONE = frozenset({1})
SWAPPED = DriftReason(DriftCode.DISK, "snap-1", "snap-2")


def instance(name: str, revision: int = 1, state: str = "ready", launched: float = 10.0):
    return Instance(name, revision, state, launched_at=launched)


def fleet(*instances: Instance, at: float = 100.0) -> FleetState:
    return FleetState("web", at, (Group(Revision(1, Image("v1")), len(instances)),), instances)


def look(*seen: Inspected, at: float = 99.0, strays: tuple[Stray, ...] = ()) -> Inspection:
    return Inspection(at, seen, strays, (DriftCode.DISK,), ("files",))


def judged(state, inspection, revisions=ONE, max_age=None):
    return report("memory://web", state, inspection, revisions, max_age)


def verdicts(found):
    return {each.instance: each.verdict for each in found.findings}


def test_what_was_seen_and_is_as_it_should_be_is_ok():
    found = judged(fleet(instance("a")), look(Inspected("a")))
    assert (found.verdict, verdicts(found)) == (OK, {"a": OK})
    assert found.unseen == ("files",)
    assert "can't be seen: files" in str(found)


def test_a_member_that_nobody_looked_at_is_unknown_unless_it_came_later():
    old, new = instance("a"), instance("b", launched=99.5)
    assert verdicts(judged(fleet(old, new), look())) == {"a": UNKNOWN}


def test_what_leaves_and_what_is_gone_is_nobodys_drift():
    leaving = instance("a", state="draining")
    found = judged(fleet(leaving), look(Inspected("a", (SWAPPED,)), Inspected("b", (SWAPPED,))))
    assert (found.verdict, found.findings) == (OK, ())


def test_a_difference_outweighs_what_could_not_be_seen():
    found = judged(fleet(instance("a")), look(Inspected("a", (SWAPPED,), ("its tags",))))
    (finding,) = found.findings
    assert finding.verdict is DRIFTED
    assert finding.why == "disk: snap-2, expected snap-1; unknown: its tags"


def test_another_revision_is_drift_and_an_unknown_one_is_unknown():
    state = fleet(instance("a", 2), instance("b", 0), instance("c"))
    seen = look(Inspected("a"), Inspected("b"), Inspected("c"))
    assert verdicts(judged(state, seen)) == {"a": DRIFTED, "b": UNKNOWN, "c": OK}
    assert verdicts(judged(state, seen, None)) == dict.fromkeys("abc", UNKNOWN)
    assert verdicts(judged(state, seen, frozenset({1, 2})))["a"] is OK


def test_age_counts_from_the_launch_and_without_a_launch_it_is_unknown():
    state = fleet(instance("a"), instance("b", launched=60.0), instance("c", launched=0.0))
    seen = look(Inspected("a"), Inspected("b"), Inspected("c"))
    found = judged(state, seen, max_age=40.0)
    assert verdicts(found) == {"a": DRIFTED, "b": OK, "c": UNKNOWN}
    assert found.findings[1].why == "over-age: 1 min 30 s old, expected at most 40 s"
    assert DriftCode.OVER_AGE in found.checked
    assert DriftCode.OVER_AGE not in judged(state, seen).checked


def test_a_stray_is_drift_of_the_fleet_unless_it_is_a_member_after_all():
    strays = (Stray("a", "is in no group"), Stray("x", "is in no group"))
    found = judged(fleet(instance("a")), look(Inspected("a"), strays=strays))
    assert (found.verdict, [each.id for each in found.strays]) == (DRIFTED, ["x"])


def test_a_backend_that_can_not_look_makes_all_unknown():
    state = fleet(instance("a"))
    assert judged(state, blank(state, "this backend can't inspect instances")).verdict is UNKNOWN


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=6),
    st.sets(st.integers(0, 5)),
)
def test_ok_is_only_what_was_looked_at_and_seen_whole(facts, left_out):
    """Whatever a backend tells: no reason, nothing unknown, and an answer at all."""
    members = [instance(str(n), 1 if known else 0) for n, (known, _, _) in enumerate(facts)]
    seen = [
        Inspected(str(n), (SWAPPED,) * swapped, ("its tags",) * hidden)
        for n, (_, swapped, hidden) in enumerate(facts)
        if n not in left_out
    ]
    for n, finding in enumerate(judged(fleet(*members), look(*seen)).findings):
        known, swapped, hidden = facts[n]
        clean = known and n not in left_out and not swapped and not hidden
        assert (finding.verdict is OK) == clean
        assert (finding.verdict is DRIFTED) == (swapped and n not in left_out)
