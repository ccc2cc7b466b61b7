"""What real clouds, and others who use them, do to a rollout.

Found by walking the contract through three clouds (docs/contract-mapping.md).
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve

from immutable import RolledBack, RolloutFailed, Status
from immutable.backend import (
    CapacityShortage,
    Conflict,
    Context,
    Denied,
    Group,
    InstanceState,
    Pool,
    Retiring,
    Throttled,
    Trouble,
    TroubleKind,
)
from immutable.memory import Behaviour, Fault
from immutable.memory.faults import When
from immutable.testing import run
from tests.support import world as support
from tests.support.world import LIMITS, NAME, WatchedBackend, revision, world


def context(rollout: str, fence: int = 1) -> Context:
    return Context(rollout=rollout, plan="", fence=fence, token="t", deadline=60)


async def replaced(w, limits=LIMITS):
    try:
        return await w.fleet.replace("v2", limits=limits)
    except (RolledBack, RolloutFailed) as end:
        return end.result


@pytest.mark.parametrize("look", range(3, 20))
@pytest.mark.parametrize("stale", [0.0, 3.0])
def test_one_wrong_look_at_a_size_changes_nothing(look, stale):
    """A capacity was once read as 0 beside live members (kubernetes/autoscaler#9488)."""

    async def main():
        async with world(4, stale=stale) as w:
            observe, looks = w.backend.observe, 0

            async def wrong_once(fleet, *, since=None):
                nonlocal looks
                state = await observe(fleet, since=since)
                looks += 1
                if looks != look:
                    return state
                return evolve(state, groups=tuple(evolve(g, size=0) for g in state.groups))

            w.backend.observe = wrong_once
            result = await replaced(w)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
            assert w.truth.lowest_ready == 4

    run(main())


@pytest.mark.parametrize("maximum", [None, 10, 12])
def test_somebody_who_remembers_a_size_makes_no_fleet_grow_without_end(maximum):
    async def main():
        async with world(10, group=Group(revision(), 0, maximum=maximum)) as w:
            retire = w.backend.retire

            async def refilled(fleet, number, ids, *, drain_timeout, ctx):
                left = await retire(fleet, number, ids, drain_timeout=drain_timeout, ctx=ctx)
                if number == 1:
                    w.at(3, lambda: 1 in w.truth.groups and w.cloud.resize(NAME, 1, 10))
                return left

            w.backend.retire = refilled
            result = await replaced(w, evolve(LIMITS, max_surge=2))
            assert result.status is Status.ROLLED_BACK
            assert "brought r1 back to its first size 3 times" in result.reason
            assert w.truth.highest_total <= 10 + 2 + 3
            assert w.sizes() == {1: 10}

    run(main())


class TwoPhaseBackend(WatchedBackend):
    """Drains first and terminates on a later call, as clouds do that can't drain by themselves.

    With *late*, the size falls only with the termination.
    """

    late = False

    def __init__(self, cloud):
        super().__init__(cloud)
        self.marks = {}

    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        return self._call("retire", lambda: self._advance(fleet, revision, ids, ctx))

    def _advance(self, fleet, number, ids, ctx):
        group, home = self._owned(fleet, number, ctx), self.cloud.fleet(fleet)
        size, waiting = group.shown.size, False
        for name in ids:
            server = home.servers.get(name)
            if server is None or server.group is not group:
                continue
            if name not in self.marks:
                self.marks[name] = self.cloud.at
                size -= not self.late
                if not self.late:
                    self.cloud._leave(server)
                draining = self.cloud._become(server.seen, InstanceState.DRAINING)
                self.cloud._change(home, server, draining)
            if self.marks[name] is not None and self.cloud.at - self.marks[name] >= 5:
                self.marks[name] = None
                size -= self.late
                if self.late:
                    self.cloud._leave(server)
                self.cloud.after(5, lambda name=name: self.cloud._bury(home, name))
            waiting = waiting or self.marks[name] is not None
        group.shown = evolve(group.shown, size=size)
        return Retiring(size, 5.0 if waiting else None)


class LateBackend(TwoPhaseBackend):
    late = True


@pytest.mark.parametrize("kind", [TwoPhaseBackend, LateBackend])
@pytest.mark.parametrize("lost", [False, True])
def test_retirements_that_have_to_be_advanced_are(kind, lost, monkeypatch):
    monkeypatch.setattr(support, "WatchedBackend", kind)

    async def main():
        async with world(6) as w:
            w.backend.begin(LIMITS, 6)
            if lost:
                w.at(60, lambda: w.cloud.faults.add(Fault("retire", when=When.AFTER, times=4)))
            result = await replaced(w, evolve(LIMITS, max_surge=2))
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 6)
            assert w.sizes() == {2: 6}
            assert result.seconds < 600

    run(main())


def test_a_rivals_group_of_our_number_is_neither_used_nor_removed():
    async def main(held):
        async with world(4) as w:
            create = w.backend.create_revision

            async def beaten(fleet, new, pool, until, ctx):
                foreign = context("foreign")
                await create(fleet, revision(2, "v9"), pool, until, foreign)
                if not held:
                    w.cloud.change(NAME, 2, hold=None)
                return await create(fleet, new, pool, until, ctx)

            w.backend.create_revision = beaten
            result = await replaced(w)
            assert result.status is Status.ROLLED_BACK
            assert "foreign" in result.reason
            assert result.seconds < 60
            assert w.truth.groups[2].shown.revision == revision(2, "v9")
            assert w.cloud.calls["delete_revision"] == 0
            assert w.truth.groups[1].shown.hold is None

    run(main(held=True))
    run(main(held=False))


def test_a_fleet_that_another_rollout_holds_is_left_alone_at_once():
    async def main():
        async with world(4) as w:
            until = w.clock.now() + 36_000
            await w.backend.hold(NAME, 1, until, context("foreign"))
            result = await replaced(w)
            assert result.status is Status.ROLLED_BACK
            assert "rollout foreign owns the fleet" in result.reason
            assert result.seconds < 60
            assert w.truth.groups[1].shown.hold.rollout == "foreign"

    run(main())


def test_a_shortage_that_shows_only_after_the_launch_is_named_in_the_end():
    async def main():
        async with world(4) as w:
            w.cloud.behaviours["v2"] = Behaviour(launchable=False)
            grow = w.backend.grow

            async def silent(fleet, number, size, *, expected, ctx):
                with suppress(CapacityShortage):
                    return await grow(fleet, number, size, expected=expected, ctx=ctx)
                return size

            w.backend.grow = silent
            result = await replaced(w)
            assert result.status is Status.ROLLED_BACK
            assert "the last trouble was: image v2 can't be launched in zone a" in result.reason

    run(main())


def test_a_launch_that_is_refused_behind_the_scenes_goes_back_at_once():
    async def main():
        async with world(4) as w:
            w.cloud.behaviours["v2"] = Behaviour(ready=False)
            refused = Trouble(TroubleKind.REFUSED, "the instance profile does not exist")
            w.at(20, lambda: w.cloud.change(NAME, 2, trouble=refused))
            result = await replaced(w)
            assert (result.status, result.reason) == (
                Status.ROLLED_BACK, "the instance profile does not exist",
            )  # fmt: skip
            assert result.seconds < 60

    run(main())


def test_where_a_dead_members_place_dies_with_it_the_rollout_fills_it_again():
    async def main(revision_of_the_dead):
        async with world(4) as w:
            w.cloud.heals = False
            w.backend.capabilities = evolve(w.backend.capabilities, heals=False)
            w.at(90, lambda: w.cloud.kill(NAME, w.members(revision=revision_of_the_dead)[0]))
            result = await replaced(w)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
            assert w.sizes() == {2: 4}
            assert len(w.members(InstanceState.READY)) == 4

    run(main(1))
    run(main(2))


def test_what_cannot_be_tidied_up_after_the_move_is_said_and_is_no_failure():
    async def main():
        async with world(4) as w:
            denied = Fault("delete_revision", lambda: Denied("no permission"), times=None)
            w.cloud.faults.add(denied)
            result = await replaced(w)
            assert (result.status, result.reason) == (Status.SUCCEEDED, "no permission")
            assert any("r1" in line and "of size 0" in line for line in result.left)
            assert len(w.members(InstanceState.READY, revision=2)) == 4

    run(main())


def test_a_cloud_that_asks_for_an_hour_is_asked_again_after_a_minute():
    async def main():
        async with world(4) as w:
            w.cloud.faults.add(Fault("grow", lambda: Throttled("busy", retry_after=3600)))
            result = await replaced(w)
            assert result.status is Status.SUCCEEDED
            assert result.seconds < 300

    run(main())


def test_a_backend_that_does_not_know_since_when_a_server_is_ready_only_costs_time():
    async def main():
        async with world(2) as w:
            observe = w.backend.observe

            async def unsaid(fleet, *, since=None):
                state = await observe(fleet, since=since)
                instances = tuple(evolve(each, ready_since=None) for each in state.instances)
                return evolve(state, instances=instances)

            w.backend.observe = unsaid
            assert (await replaced(w)).status is Status.SUCCEEDED

    run(main())


def test_a_number_that_was_given_out_is_not_used_again():
    async def main():
        async with world(2) as w:
            await w.backend.create_revision(
                NAME, revision(2, "v9"), Pool.SHARED, 2e9, context("other")
            )
            await w.backend.delete_revision(NAME, 2, context("other"))
            with pytest.raises(Conflict) as caught:
                await w.backend.create_revision(
                    NAME, revision(2, "v2"), Pool.SHARED, 2e9, context("mine")
                )
            assert caught.value.owner == "other"

    run(main())
