"""Blue/green and canary with real processes behind a real balancer, under live traffic."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from immutable import BlueGreen, Canary, RolledBack, Status
from immutable.backend import InstanceState
from immutable.gates import Analysis, Health
from immutable.model.records import Intended

from .conftest import load, wait_until

BALANCERS = pytest.mark.parametrize(
    "balancer", ["haproxy", pytest.param("builtin", marks=pytest.mark.slow)]
)
pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]
EVERYBODY = {"keepalive": 8, "fresh": 4, "post": 1, "slow": 2, "stream": 1}
MANY = {"keepalive": 12, "fresh": 6}


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own."""
    return


async def share(running, wanted, seconds=4.0):
    """Assert that version 2 answers its share of what is asked from now on."""
    await asyncio.sleep(0.3)
    await running.turned_over()  # What was asked before the switch has its answer.
    mark = running.mark()
    await asyncio.sleep(seconds)
    seen = running.since(mark)
    answers = {name: each.answers for name, each in seen.by_version.items()}
    n, got = sum(answers.values()), answers.get("2", 0)
    assert n > 100
    # Five standard deviations: less than one test in a million fails by chance.
    assert abs(got - n * wanted) <= 5 * math.sqrt(n * wanted * (1 - wanted)) + 2, (answers, wanted)
    return got / n


async def weight(web, revision):
    group = (await web.state()).group(revision)
    return group.weight if group is not None else None


@BALANCERS
async def test_a_canary_goes_from_10_to_50_to_100_percent_without_a_failed_request(home, balancer):
    async with home.fleet(size=3, balancer=balancer) as web, load(web, 400, **EVERYBODY) as running:
        gates = (Health(), Analysis(interval=1, requests=50))
        strategy = Canary(("10%", "50%", "100%"), bake=600, gates=gates)
        rollout = web.replace(home.image("2"), strategy)
        task = asyncio.ensure_future(rollout.end())
        for wanted in (10, 50, 100):

            async def routed(wanted=wanted):
                return await weight(web, 2) == wanted

            await wait_until(routed)
            await share(running, wanted / 100)
            await rollout.promote()  # The next step begins when this one has been measured.
        result = await task
        report = await running.stop()
        assert result.status is Status.SUCCEEDED
        assert report.failed == 0, str(report)
        state = await web.state()
        assert {each.revision for each in state.instances} == {2}
        assert [group.weight for group in state.groups] == [None]


@BALANCERS
async def test_blue_green_switches_at_once_and_nothing_old_answers_afterwards(home, balancer):
    async with home.fleet(size=3, balancer=balancer) as web, load(web, 300, **EVERYBODY) as running:
        rollout = web.replace(home.image("2"), BlueGreen(bake=4))
        switched = 0.0
        async for event in rollout.events():
            if isinstance(event.record, Intended) and "Reroute" in repr(event.record.action):
                switched = time.time()
            if type(event.record).__name__ == "Entered" and event.record.step == 3:
                done = time.time()
        report = await running.stop()
        assert report.failed == 0, str(report)
        assert done - switched < 60
        # Streams and slow requests that were asked before may still be answered, all others not.
        longest = 1.5 + 0.7
        assert report.by_version["1"].last <= done + longest
        assert min(seen.answers for seen in report.by_version.values()) > 100
        assert (await rollout).status is Status.SUCCEEDED


@BALANCERS
async def test_after_the_switch_every_new_request_goes_to_the_candidate(home, balancer):
    async with home.fleet(size=2, balancer=balancer) as web, load(web, 300, **MANY) as running:
        rollout = web.replace(home.image("2"), BlueGreen(bake=4))
        task = asyncio.ensure_future(rollout.end())

        async def routed():
            return await weight(web, 2) == 100

        await wait_until(routed)
        await asyncio.sleep(0.2)
        await running.turned_over()  # Requests that were under way when it returned.
        mark = running.mark()
        await asyncio.sleep(2)
        assert set(running.since(mark).by_version) == {"2"}
        assert (await task).status is Status.SUCCEEDED
        assert (await running.stop()).failed == 0


async def test_a_canary_with_3_percent_of_errors_is_rolled_back_and_few_saw_it(home):
    async with home.fleet(size=3) as web, load(web, 400, **MANY) as running:
        bad = home.image("2", APP_ERROR_RATE="0.03")
        gates = (Health(), Analysis(interval=1))
        rollout = web.replace(bad, Canary(("10%", "100%"), bake=60, gates=gates))
        with pytest.raises(RolledBack, match="worse than stable: errors"):
            await rollout
        report = await running.stop()
        answers = {name: seen.answers for name, seen in report.by_version.items()}
        whole = sum(answers.values())
        assert answers.get("2", 0) <= 0.1 * whole + 5 * math.sqrt(0.09 * whole)
        # The only failures are those of the image itself.
        assert report.failed <= answers["2"]
        assert set(report.by_reason) <= {"status"}, str(report)
        state = await web.state()
        assert {each.revision for each in state.instances} == {1}
        assert state.ready == 3


async def test_rollback_while_stable_is_kept_is_one_switch_under_traffic(home):
    async with home.fleet(size=2) as web, load(web, 200, **EVERYBODY) as running:
        first = web.replace(home.image("2"), BlueGreen(bake=0.5, keep_stable=600))
        task = asyncio.ensure_future(first.end())
        await asyncio.sleep(0)  # It begins.

        async def kept():
            return (await first.ledger()).committed

        await wait_until(kept)
        began = time.monotonic()
        back = asyncio.ensure_future(web.rollback().end())

        async def routed():
            return await weight(web, 1) in (100, None)

        await wait_until(routed)
        assert time.monotonic() - began < 120
        assert (await back).status is Status.SUCCEEDED
        assert (await task).status is Status.SUCCEEDED
        report = await running.stop()
        assert report.failed == 0, str(report)
        state = await web.state()
        assert {each.revision for each in state.instances} == {1}


async def test_abort_moves_traffic_before_instances_and_fails_no_request(home):
    async with home.fleet(size=2) as web, load(web, 200, **EVERYBODY) as running:
        rollout = web.replace(home.image("2"), Canary(("50%",), bake=600, gates=(Health(),)))
        task = asyncio.ensure_future(rollout.end())

        async def routed():
            return await weight(web, 2) == 50

        await wait_until(routed)
        await rollout.abort(reason="enough")
        assert (await task).status is Status.ROLLED_BACK
        report = await running.stop()
        assert report.failed == 0, str(report)
        ready = [e for e in (await web.state()).instances if e.state is InstanceState.READY]
        assert {each.revision for each in ready} == {1}
