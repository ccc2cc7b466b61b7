"""Bugs that other tools for replacing servers had, as situations that ours must get out of."""

from __future__ import annotations

import asyncio

import pytest

from immutable import Fleet, Limits, NothingToRecover, Status
from immutable.testing import run
from tests.support.mortal import Life, Moment, MortalBackend, MortalJournal, Witness, mortally
from tests.support.world import URL, World, world


@pytest.mark.parametrize("surge", [1, "35%"])
@pytest.mark.parametrize("sick", ["the oldest", "the newest", "all", "one, later"])
def test_three_replicas_one_of_them_broken_are_no_deadlock(surge, sick):
    """Cluster API, MachineDeployment with 3 replicas, surge and no unavailability.

    kubernetes-sigs/cluster-api#1049: one new machine comes, and all three old ones stay. #8987:
    with a surge of 35 %, two new ones come and only one old one goes; the arithmetic of what is
    unhealthy asks to scale 2 up to 3 in order to scale down, and fails for ever. A breaker was
    added that goes below the bound by one. The cause is that counts say how many may go and a
    lower layer chooses which. Ours names who goes: the broken one first, which costs nothing.
    """

    async def check():
        async with world(3) as w:
            names = w.members()
            broken = {"the oldest": names[:1], "the newest": names[-1:], "all": names}.get(sick, [])
            for name in broken:
                w.cloud.set_state(w.truth, name, "unready")
            if sick == "one, later":
                w.at(30, lambda: w.cloud.set_state(w.truth, names[1], "unready"))
            limits = Limits(surge, 0, min_ready=5, boot_timeout=60, drain_timeout=30)
            w.backend.begin(limits, 3)
            result = await w.fleet.replace("v2", limits=limits)
            assert (result.status, w.sizes()) == (Status.SUCCEEDED, {2: 3})
            assert w.backend.breaches == []

    run(check())


async def killed(w: World, calls: int, limits: Limits) -> bool:
    """Let a controller begin or carry on, until it is killed after so many calls; was it?"""
    life = Life(Witness())
    life.doom(calls, Moment.AFTER)

    async def controlled() -> None:
        backend, journal = MortalBackend(w.backend, life), MortalJournal(w.journal, life)
        async with Fleet.connect(URL, backend=backend, journal=journal, clock=w.clock) as fleet:
            try:
                await fleet.recover().end()
            except NothingToRecover:
                await fleet.replace("v2", limits=limits).end()

    await mortally(controlled(), life)
    return life.dead.is_set()


@pytest.mark.parametrize("again", ["recover", "replace", "another image"])
def test_a_run_after_one_that_died_with_fewer_servers_is_not_refused(again):
    """palantir/bouncer#148: serial mode on a group of two.

    A run failed in the middle, when the desired capacity was 1. The next run finds that 1 is not
    the 2 that it was given, and refuses; the size is to be set back by hand. Ours has the size in
    the journal: whoever comes carries it on, or takes it back and begins anew, and the fleet ends
    with two.
    """
    limits = Limits(max_surge=0, max_unavailable=1, min_ready=5, boot_timeout=60)

    async def check():
        async with world(2) as w:
            w.backend.begin(limits, 2)
            for calls in range(60):
                assert await killed(w, calls, limits)
                if w.sizes()[1] == 1:
                    break
            assert w.sizes() == {1: 1, 2: 0}
            await asyncio.sleep(w.journal.ttl + 1)
            if again == "recover":
                result = await w.fleet.recover()
            else:
                image = "v2" if again == "replace" else "v3"
                result = await w.fleet.replace(image, limits=limits, supersede=True)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 2)
            assert list(w.sizes().values()) == [2]
            assert w.backend.breaches == []

    run(check())


def test_a_controller_that_restarts_again_and_again_adds_no_server_each_time():
    """deitch/aws-asg-roller#37: three servers and a surge of one.

    The roller raises 3 to 4 and remembers 3. When it is restarted, as happens when it runs on the
    servers that it rolls, it takes 4 for the original and raises that to 5, and so on. The cure
    there was a tag; which then fought with autoscalers (#43), for it can't tell their changes from
    its own. Ours writes down what it does before it does it: what differs is others' doing.
    """
    limits = Limits(max_surge=1, min_ready=5, boot_timeout=60, drain_timeout=30)

    async def check():
        async with world(3) as w:
            w.backend.begin(limits, 3)
            deaths = 0
            while await killed(w, 16, limits):
                deaths += 1
                await asyncio.sleep(w.journal.ttl + 1)
            assert deaths > 5
            assert list(w.sizes().values()) == [3]
            assert w.truth.highest_total <= 4
            assert w.backend.breaches == []

    run(check())
