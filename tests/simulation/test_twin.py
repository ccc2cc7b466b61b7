"""The twin is the fleet, its laws are the fleet's, and its bookkeeping is exact."""

from __future__ import annotations

import asyncio
from random import Random
from statistics import fmean

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue, Limits, Rolling
from immutable.backend import (
    Capabilities,
    FleetState,
    Group,
    Instance,
    InstanceState,
    Rate,
    Transient,
)
from immutable.memory import Cloud, Fault, Laws, When, fixed, vm
from immutable.model import Event, Grow, LoopClock, Status
from immutable.model.records import Ended, Intended, Proved
from immutable.simulation.history import known_of, probe_boots, seen_boots
from immutable.simulation.meter import Meter
from immutable.simulation.spans import Fixed, Lognormal, Measured, Spans, boot_span
from immutable.simulation.twin import Twin, built
from immutable.testing import run
from tests.memory.support import context
from tests.support.world import revision, world

USUAL = Capabilities()
SPANS = Spans(Fixed(20), Fixed(5), Fixed(5))
READY, STARTING = InstanceState.READY, InstanceState.STARTING

instances = st.builds(
    Instance,
    id=st.text("abc", min_size=1, max_size=6),
    revision=st.sampled_from([1, 2]),
    state=st.sampled_from([READY, STARTING, InstanceState.UNREADY]),
    zone=st.sampled_from(["a", "b"]),
    launched_at=st.floats(0, 1000),
    protected=st.booleans(),
)


def of(servers, *, weights=(None, None)) -> FleetState:
    groups = tuple(
        Group(revision(n), sum(s.revision == n for s in servers), weight=w)
        for n, w in zip((1, 2), weights, strict=True)
    )
    return FleetState("web", 1000.0, groups, tuple(servers), last_revision=2)


def settled(state, able=USUAL, spans=SPANS):
    cloud = Cloud(LoopClock(state.at), zones=("a", "b"), seed=0)
    return cloud, built(Twin(state, able, spans), cloud)


@given(st.lists(instances, max_size=12, unique_by=lambda each: each.id))
def test_the_twin_shows_what_was_observed(servers):
    servers = [
        evolve(s, ready_since=900.0 if s.state is READY else None, launched_at=999.0)
        for s in servers
    ]

    async def main():
        state = of(servers, weights=(90.0, 10.0))
        cloud, backend = settled(state)
        seen = await backend.observe("web")
        assert evolve(seen, cursor=None) == state
        fleet = cloud.fleets["web"]
        assert fleet.ready == state.ready
        assert cloud.used.total() == len(servers)

    run(main())


def test_lives_go_on_from_where_they_were():
    booting = Instance("s", 1, STARTING, "a", launched_at=990.0)
    leaving = Instance("d", 1, InstanceState.DRAINING, "a", launched_at=0.0)

    async def main():
        _, backend = settled(of([booting, leaving]))
        await asyncio.sleep(9.9)
        before = await backend.observe("web")
        await asyncio.sleep(0.2)
        after = await backend.observe("web")
        states = [{e.id: e.state for e in look.instances} for look in (before, after)]
        assert states[0] == {"s": STARTING, "d": InstanceState.DRAINING}
        assert states[1] == {"s": READY}

    run(main())


def test_the_backend_is_able_to_do_what_the_real_one_is():
    able = Capabilities(weighted_traffic=False, poll=7.0, heals=False, staleness=3.0)

    async def main():
        cloud, backend = settled(of([]), able)
        assert backend.capabilities == able
        assert (cloud.heals, cloud.faults.stale) == (False, 3.0)

    run(main())


def test_launches_wait_for_their_tokens():
    async def main():
        cloud, _ = settled(of([]), Capabilities(launches=Rate(burst=2, per_second=0.5)))
        cloud.resize("web", 1, 5)
        await asyncio.sleep(100)
        cloud.advance()
        return sorted(s.seen.ready_since - 1000 for s in cloud.fleets["web"].servers.values())

    assert run(main()) == pytest.approx([20, 20, 22, 24, 26])


def test_the_meter_adds_up_what_is_there():
    servers = [Instance(f"s{n}", 1, READY, "a", 0.0, 1.0) for n in range(2)]

    async def main():
        cloud, _ = settled(of(servers))
        meter = Meter(cloud, cloud.fleets["web"], 2, keeps=True)
        await asyncio.sleep(10)
        cloud.advance()
        meter.tick()
        cloud.resize("web", 2, 2)  # Two of the candidate, which boot for 20 s.
        await asyncio.sleep(30)
        cloud.advance()
        meter.tick()
        return meter

    meter = run(main())
    assert meter.rest == 2
    assert meter.extra == pytest.approx(2 * 30)
    assert meter.served == pytest.approx(0.5 * 10)
    assert [(p.at, p.stable, p.candidate, p.existing) for p in meter.points()][-1] == (40, 2, 2, 4)


def test_the_meter_goes_by_weights_from_when_they_are_set_also_if_nobody_hears_of_it():
    servers = [Instance(f"s{n}", n, READY, "a", 0.0, 1.0) for n in (1, 2)]

    async def main():
        able = Capabilities(weighted_traffic=True)
        cloud, backend = settled(of(servers, weights=(100.0, 0.0)), able)
        meter = Meter(cloud, cloud.fleets["web"], 2)
        cloud.faults.add(Fault("route", when=When.AFTER))
        await asyncio.sleep(10)
        with pytest.raises(Transient):
            await backend.route("web", {1: 75.0, 2: 25.0}, context())
        await asyncio.sleep(10)
        cloud.advance()
        meter.tick()
        return meter.served

    assert run(main()) == pytest.approx(0.25 * 10)


# -- laws ------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.1, 500), min_size=30, max_size=60), st.integers(0, 10**6))
def test_many_boots_are_drawn_from_as_they_were(boots, seed):
    law, said = boot_span(boots, 90)
    assert isinstance(law, Measured)
    assert str(len(boots)) in said
    assert min(boots) <= law(Random(seed)) <= max(boots)


def test_a_measured_law_has_the_mean_of_what_was_measured():
    random = Random(3)
    boots = sorted(vm()(random) for _ in range(300))
    law, draws = Measured(boots), [Measured(boots)(random) for _ in range(1)]
    draws = [law(random) for _ in range(5000)]
    assert fmean(draws) == pytest.approx(fmean(boots), rel=0.03)


def test_some_boots_are_fitted_and_few_are_not_believed():
    random = Random(5)
    truth = Lognormal(100, 0.4)
    law, said = boot_span([truth(random) for _ in range(25)], 90)
    assert isinstance(law, Lognormal)
    assert law.mean == pytest.approx(100, rel=0.25)
    assert "lognormal" in said
    fallback, said = boot_span([5.0, 6.0], 90)
    assert fmean(fallback(random) for _ in range(4000)) == pytest.approx(90, rel=0.05)
    assert "too few" in said
    assert boot_span([], 0.0)[0] == Fixed(0.0)


@pytest.mark.parametrize(
    "made", [lambda: Fixed(-1), lambda: Measured(()), lambda: Lognormal(5, 1, 9)]
)
def test_laws_that_make_no_sense(made):
    with pytest.raises(InvalidValue):
        made()


# -- history ---------------------------------------------------------------------------------------


def test_a_rollouts_end_keeps_its_boots_and_goings_and_a_rehearsal_goes_by_them():
    async def main():
        async with world(8, laws=Laws(fixed(42), fixed(4), fixed(6))) as w:
            limits = Limits(max_surge=2, min_ready=5, boot_timeout=120, drain_timeout=30)
            await w.fleet.replace("v2", limits=limits)
            events = await w.journal.events((await w.fleet.history())[-1].rollout)
            made = await w.fleet.rehearse("v3", limits=limits, trials=1, workers=0)
            return events[-1].record, made

    ended, made = run(main())
    assert ended.boots == (42.0,) * 8
    assert len(ended.goings) == 8
    assert all(8 <= each <= 14 for each in ended.goings)
    assert made.spans.boots == 8
    assert "journal" in made.spans.known
    assert made.spans.boot(Random(0)) == pytest.approx(42)


def test_without_a_journal_the_servers_that_are_there_tell():
    servers = [Instance(f"s{n}", 1, READY, "a", 100.0, 130.0 + n) for n in range(6)]
    slow = Instance("slow", 1, READY, "a", 100.0, 5000.0)  # Flapped, more likely.
    limits = Limits(boot_timeout=60)
    assert seen_boots(of([*servers, slow]), limits) == (30, 31, 32, 33, 34, 35)

    async def main():
        async with world(1) as w:
            return await known_of(w.journal, "memory://elsewhere", of(servers), limits)

    known = run(main())
    assert known.boots == (30, 31, 32, 33, 34, 35)
    assert "there" in known.source


def test_records_of_earlier_versions_tell_the_first_servers_boot():
    events = [
        Event("r", 1, 100.0, Intended("t", Grow(2, 1, expected=0))),
        Event("r", 2, 155.0, Proved("i-1")),
        Event("r", 3, 156.0, Intended("u", Grow(2, 5, expected=1))),
        Event("r", 4, 300.0, Ended(Status.SUCCEEDED)),
    ]
    assert probe_boots(events, min_ready=10) == [45.0]
    assert probe_boots(events[:1], min_ready=10) == []


def test_nothing_known_is_said():
    async def main():
        async with world(3) as w:  # Its servers were READY the moment they were launched.
            return await w.fleet.rehearse("v2", Rolling(), trials=1, workers=0)

    made = run(main())
    assert made.spans.boots == 0
    assert "too few boots" in made.spans.known
