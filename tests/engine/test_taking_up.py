"""Who takes an order up: the controller that is alive, the next one, or whoever gave it."""

from __future__ import annotations

import asyncio

from immutable import BlueGreen, Status
from immutable.testing import run
from tests.support.world import world

LONG = BlueGreen(bake=10_000)


async def begun(w):
    rollout = w.fleet.replace("v2", LONG)
    task = asyncio.ensure_future(rollout.end())
    await asyncio.sleep(200)
    return rollout, task


async def killed(w, rollout):
    """End the controller without a trace: its lease goes on until it is over."""

    async def nothing(_):
        pass

    release, w.journal.release = w.journal.release, nothing
    await rollout.stop()
    w.journal.release = release


def test_an_order_is_taken_up_by_the_controller_that_is_alive():
    async def main():
        async with world(3) as w:
            rollout, task = await begun(w)
            async with w.other_process() as other:
                handle = await other.rollout()
                await handle.pause()
                assert await handle.taken_up() == (await handle.status()).controller
                assert (await handle.status()).status is Status.PAUSED
                await handle.abort()
            assert (await task).status is Status.ROLLED_BACK
            assert await rollout.taken_up() != ""

    run(main())


def test_an_order_that_nobody_can_hear_is_taken_up_by_nobody():
    async def main():
        async with world(3) as w:
            rollout, _ = await begun(w)
            await rollout.stop()
            handle = await w.fleet.rollout()
            await handle.abort(take_over=False)
            assert await handle.taken_up() == ""
            assert (await handle.status()).status is Status.BAKING
            assert (await w.fleet.recover().end()).status is Status.ROLLED_BACK

    run(main())


def test_abort_takes_over_from_a_controller_that_died_a_moment_ago():
    async def main():
        async with world(3) as w:
            rollout, _ = await begun(w)
            await killed(w, rollout)
            handle = await w.fleet.rollout()
            assert (await handle.status()).live
            await handle.abort()
            assert (await handle.status()).status is Status.ROLLED_BACK

    run(main())


def test_two_who_abort_a_dead_controllers_rollout_do_it_once():
    async def main():
        async with world(3) as w, w.other_process() as other:
            rollout, _ = await begun(w)
            await killed(w, rollout)
            handles = [await each.rollout() for each in (w.fleet, other)]
            await asyncio.gather(*(handle.abort() for handle in handles))
            assert (await handles[0].end()).status is Status.ROLLED_BACK
            assert w.sizes() == {1: 3}

    run(main())
