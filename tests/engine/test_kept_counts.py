"""What the census keeps counted is what counting anew comes to, whatever happened before."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import FleetState, Group, Instance, InstanceState
from immutable.engine.census import Census
from immutable.planning.stateful import two_writers
from tests.support.world import revision

STARTING, READY, UNREADY, DRAINING, GONE = InstanceState
NAMES = "abcdef"
NAMED = frozenset("abc")
MIN_READY, STALENESS = 2.0, 3.0

shown = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from([STARTING, READY, READY, UNREADY, DRAINING, GONE]),
    st.sampled_from(["", "0", "1"]),
    st.integers(0, 3),
)
looks = st.tuples(st.just("look"), st.lists(shown, max_size=6), st.booleans())
retirements = st.tuples(st.just("retire"), st.sets(st.sampled_from(NAMES)), st.none())
pardons = st.tuples(st.just("spare"), st.sets(st.sampled_from(NAMES)), st.none())


def state(at, listed, complete):
    there = {
        name: Instance(
            name, 1, what, slot=slot, ready_since=float(at - since) if what is READY else None
        )
        for name, what, slot, since in listed
    }
    groups = (Group(revision(), 3),)
    return FleetState("web", float(at), groups, tuple(there.values()), complete=complete)


@given(st.lists(st.one_of(looks, looks, retirements, pardons), max_size=25))
def test_what_is_kept_is_what_counting_anew_comes_to(deeds):
    census = Census(MIN_READY, 60.0, STALENESS, NAMED)
    proven: set[str] = set()
    for at, (deed, about, complete) in enumerate(deeds, 1):
        if deed == "look":
            changes = census.absorb(state(at, about, complete))
            proven |= {each.id for each in changes.proven} - NAMED
        elif deed == "retire":
            census.retire(about)
        else:
            census.spare(about)
        assert census.witnessed(1) == len(proven)
        there = [each for name, each in census._seen.items() if name not in census._vanished]
        assert census.holders.two_writers() == two_writers(there)
        seen = [each for name, each in census._seen.items() if name in NAMED]
        named = Counter(DRAINING if e.id in census.retiring else e.state for e in seen)
        part = census.part(1)
        assert (part.starting, part.ready, part.unready, part.leaving) == tuple(
            named[each] for each in (STARTING, READY, UNREADY, DRAINING)
        )
        assert part.size == part.live
        assert 0 <= part.proven <= part.ready
        assert part.proven <= census.counts(1).proven <= census.counts(1).ready


def test_who_was_proven_is_counted_once_and_again_when_somebody_else_is():
    census = Census(MIN_READY, 60.0, STALENESS)

    def look(at, *listed):
        census.absorb(state(at, listed, complete=False))
        return census.witnessed(1), census.counts(1).proven

    assert look(5, ("a", READY, "", 0)) == (0, 0)
    assert look(7) == (1, 1)
    assert look(8, ("a", UNREADY, "", 0)) == (1, 0)
    assert look(9, ("a", READY, "", 0), ("b", READY, "", 3)) == (2, 1)
    assert look(11) == (2, 2)
    census.retire(["a"])
    assert (census.witnessed(1), census.counts(1).proven) == (2, 1)
    census.spare(["a"])
    assert look(12) == (2, 2)
