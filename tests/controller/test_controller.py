"""Controllers that share the rollouts of one journal."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import asynccontextmanager, nullcontext, suppress
from itertools import groupby

import pytest

from benchmarks import controllers
from immutable import FleetBusy, Status, open_journal
from immutable.backend import Denied
from immutable.controller import Controller
from immutable.journal.transactions import Statement
from immutable.memory import MemoryBackend
from immutable.model.records import Claimed, Ended
from immutable.testing import run
from tests.support.shared_cloud import serving
from tests.support.world import LIMITS, world


@asynccontextmanager
async def controlling(w, **options):
    """A controller that runs meanwhile, on the world's cloud."""
    options = {"connect": lambda _: nullcontext(w.backend), **options}
    worker = Controller(w.journal, clock=w.clock, **options)
    running = asyncio.ensure_future(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def submitted(w, image="v2"):
    return await w.fleet.submit(await w.fleet.plan(image, limits=LIMITS), reason="because")


def test_what_was_submitted_waits_for_a_controller_and_is_carried_out():
    async def main():
        async with world(4) as w:
            rollout = await submitted(w)
            await asyncio.sleep(100)
            assert (await rollout.status()).status is Status.PENDING
            with pytest.raises(FleetBusy, match=rollout.id):
                await submitted(w)
            w.backend.begin(LIMITS, 4)
            async with controlling(w) as worker:
                result = await rollout.end()
                assert (await rollout.status()).controller == worker.name
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
            assert w.sizes() == {2: 4}
            assert w.backend.breaches == []
            (entry,) = await w.fleet.history()
            assert (entry.reason, entry.actor) == ("because", w.fleet.actor)

    run(main())


def test_what_was_submitted_can_be_carried_out_here_when_there_is_no_controller():
    async def main():
        async with world(2) as w:
            rollout = await submitted(w)
            result = await w.fleet.recover()
            assert (result.rollout, result.status) == (rollout.id, Status.SUCCEEDED)

    run(main())


def test_a_plan_that_is_stale_when_its_turn_comes_fails_and_touches_nothing():
    async def main():
        async with world(2) as w:
            rollout = await submitted(w)
            w.truth.last_revision += 1
            calls = w.cloud.calls.copy()
            async with controlling(w):
                result = await rollout.end()
            assert result.status is Status.FAILED
            assert "has been used" in result.reason
            assert set(w.cloud.calls - calls) <= {"observe"}

    run(main())


@pytest.mark.parametrize("seconds", [1, 25, 40, 70])
def test_a_controller_that_is_stopped_hands_over_at_once(seconds):
    async def main():
        async with world(4) as w:
            rollout = await submitted(w)
            async with controlling(w) as first:
                await asyncio.sleep(seconds)
            stopped = w.clock.now()
            assert not (await rollout.status()).live
            async with controlling(w) as second:
                result = await rollout.end()
            assert result.status is Status.SUCCEEDED
            events = await w.journal.events(rollout.id)
            claims = [(e.record.controller, e.at) for e in events if isinstance(e.record, Claimed)]
            assert [name for name, _ in claims] == [first.name, second.name]
            assert claims[1][1] - stopped < 1

    run(main())


def test_the_rollouts_of_a_controller_that_is_gone_are_taken_over_when_its_lease_ends(monkeypatch):
    async def main():
        async with world(4) as w:
            rollout = await submitted(w)
            # As after a power cut: it does not say that it goes.
            monkeypatch.setattr(w.journal, "release", lambda _: asyncio.sleep(0))
            async with controlling(w):
                await asyncio.sleep(30)
            monkeypatch.undo()
            died = w.clock.now()
            async with controlling(w):
                assert (await rollout.end()).status is Status.SUCCEEDED
            events = await w.journal.events(rollout.id)
            *_, last = [event.at for event in events if isinstance(event.record, Claimed)]
            assert 0 < last - died < w.journal.ttl + 1

    run(main())


def test_a_rollout_that_cannot_be_driven_here_rests_and_holds_up_no_other(caplog):
    async def main():
        async with world(2) as w:
            rollout = await submitted(w)
            tries = 0

            def connect(_):
                nonlocal tries
                tries += 1
                if tries < 4:
                    raise Denied("no credentials for this place")
                return nullcontext(w.backend)

            async with controlling(w, connect=connect):
                await asyncio.sleep(4)
                assert tries == 1
                assert not (await rollout.status()).live
                assert (await rollout.end()).status is Status.SUCCEEDED
            assert tries == 4
            assert "no credentials" in caplog.text

    run(main())


def test_no_more_is_driven_than_there_is_room_for():
    async def main():
        async with world(1) as w:
            await submitted(w)
            async with controlling(w, most=1) as worker:
                await asyncio.sleep(5)
                assert worker._driving
                calls = []
                claim = w.journal.claim_some
                w.journal.claim_some = lambda *a, **k: calls.append(a) or claim(*a, **k)
                await asyncio.sleep(5)
                assert calls == []

    run(main())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_controllers_that_are_killed_lose_nothing_and_launch_nothing_twice():
    found = controllers.run(controllers.Scale(150, every=4.0))
    assert found["succeeded"] == found["whole"] == 150
    assert found["double_launches"] == 0
    assert found["kills"] >= 3
    assert found["takeovers"] > 0


def test_an_abort_of_what_nobody_has_begun_touches_nothing():
    async def main():
        async with world(2) as w:
            rollout = await submitted(w)
            await rollout.abort(reason="never mind")
            events = await w.journal.events(rollout.id)
            ends = [event.record for event in events if isinstance(event.record, Ended)]
            assert [end.status for end in ends] == [Status.ROLLED_BACK]
            assert w.sizes() == {1: 2}
            assert all(group.shown.hold is None for group in w.truth.groups.values())

    run(main())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_controller_that_was_frozen_writes_nothing_more_to_what_others_took_over(
    postgres_url, tmp_path
):
    async def main():
        cloud, launched = controllers.simulated(12)
        backend, journal = MemoryBackend(cloud), await open_journal(postgres_url)
        socket, lease = tmp_path / "cloud", 2.0
        async with (
            serving(backend, socket),
            controllers.herd(postgres_url, socket, lease, 1) as flock,
        ):
            await controllers.submit_all(backend, journal, 12)
            await asyncio.sleep(4)
            frozen = flock.living[0]
            frozen.process.send_signal(signal.SIGSTOP)
            await flock.add()
            await asyncio.sleep(lease + 3)
            frozen.process.send_signal(signal.SIGCONT)
            while await journal.entries(unfinished=True):
                await asyncio.sleep(0.5)
            assert frozen.process.returncode is None  # It goes on as a controller.
        assert all(each.process.returncode == 0 for each in flock.living)
        taken_over = 0
        for entry in await journal.entries():
            owners = [
                json.loads(leaf.text)["controller"]
                for leaf in await journal.leaves()
                if leaf.rollout == entry.rollout and leaf.seq > 0
            ]
            turns = [owner for owner, _ in groupby(owners)]
            assert len(turns) == len(set(turns)) <= 2
            taken_over += len(turns) == 2
            assert entry.status is Status.SUCCEEDED
        assert taken_over > 0
        cloud.advance()
        assert set(launched.values()) == {2}
        await journal.close()

    asyncio.run(main())


def test_a_rollout_that_was_lost_is_not_claimed_again_before_it_was_let_go_of(caplog):
    async def main():
        async with world(2) as w:
            rollout = await submitted(w)
            grow, slow = w.backend.grow, asyncio.Event()

            async def stuck(*args, **kwargs):
                slow.set()
                await asyncio.sleep(40)
                return await grow(*args, **kwargs)

            w.backend.grow = stuck
            async with controlling(w) as worker:
                await slow.wait()
                w.backend.grow = grow
                # As after a freeze: somebody else claimed it, and gave it back.
                await w.journal._do(_expiring)
                await w.journal.release(await w.journal.claim(rollout.id, "another"))
                result = await rollout.end()
                await asyncio.sleep(1)  # Its end is on record before its lease is given back.
                assert worker._driving == set()
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {2: 2}
            assert [r.levelname for r in caplog.records if r.levelname == "ERROR"] == []

    run(main())


def _expiring(_):
    yield Statement("UPDATE controllers SET expires_at = 0")
