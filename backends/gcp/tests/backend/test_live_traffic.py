"""Whole rollouts under requests that are really made, of servers that really answer them.

Health is probed over HTTP, and a server is cut off in the middle of what it does when its VM
stops: a request that a rollout costs is seen by the client that sent it.
"""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from backends.gcp.tests.backend.account import DOUBLE, LIMITS
from backends.gcp.tests.backend.load import Load
from immutable import BlueGreen, Canary, Rolling
from tests.emulators.adopted import ended, run
from tests.emulators.waiting import eventually

SIZE = 6
HALF = evolve(LIMITS, max_surge="50%", min_ready=0.1)


@pytest.fixture
def bodied(account):
    account.emulator.laws(bodies=True)
    account.group(SIZE, autoscaled=False)
    return account


def replaced(account, strategy, limits, meanwhile):
    """Replace the fleet under load; the result, and the load."""

    async def go():
        async with account.fleet() as fleet, Load(account.emulator).running() as load:
            rollout = fleet.replace(account.images[1], strategy, limits=limits)
            task = asyncio.ensure_future(ended(rollout))
            await meanwhile(load, rollout)
            result = await task
            last = await load.more(50)
        return result, load, last

    return run(go())


async def nothing(*_):
    """Wait for the end only."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("strategy", "limits"),
    [(Rolling(), HALF), (BlueGreen(bake=0.5), DOUBLE)],
    ids=["rolling", "blue-green"],
)
def test_no_request_fails_while_a_fleet_is_replaced(bodied, strategy, limits):
    result, load, last = replaced(bodied, strategy, limits, nothing)
    assert result.status.value == "succeeded"
    assert load.failures == []
    assert load.kinds.keys() == {"keep-alive", "new", "slow"}
    assert load.answers.keys() == {"web-theirs", "web-r2"}
    assert last.keys() == {"web-r2"}


@pytest.mark.timeout(300)
def test_a_canary_gets_its_share_of_requests_and_none_fails(bodied):
    shares = []

    def given(share):
        return lambda: bodied.emulator.traffic()["front"].get("web-r2") == share

    async def share(load, rollout):
        await eventually(given(250))
        await load.more(10)  # Those that were under way.
        seen = await load.more(200)
        shares.append(seen["web-r2"] / seen.total())
        await rollout.promote()
        await eventually(given(1000))
        await rollout.promote()

    strategy = Canary(stages=("25%", "100%"), bake=3000)
    result, load, last = replaced(bodied, strategy, DOUBLE, share)
    assert result.status.value == "succeeded"
    assert load.failures == []
    assert shares == [pytest.approx(0.25, abs=0.05)]
    assert last.keys() == {"web-r2"}


@pytest.mark.timeout(300)
def test_a_candidate_that_never_answers_costs_no_request(bodied):
    """Its servers run, and every probe of them fails: it gets none, and goes."""
    bodied.emulator.fate(image=bodied.images[1].rpartition("/")[2], answers=None)
    before = bodied.everything()
    limits = evolve(HALF, boot_timeout=2, max_failures=1)
    result, load, last = replaced(bodied, Rolling(), limits, nothing)
    assert "rolled back" in str(result)
    assert load.failures == []
    assert last.keys() == load.answers.keys() == {"web-theirs"}
    assert bodied.everything() == before


@pytest.mark.timeout(300)
def test_what_is_not_drained_is_seen_by_clients(bodied):
    """The measure itself: servers that end in the middle of requests make some fail."""

    async def go():
        load = Load(bodied.emulator)
        async with load.running():
            for each in bodied.emulator.members(group="web"):
                bodied.emulator.kill(instance=each["name"])
            while not load.failures:
                await asyncio.sleep(0.01)
        return load

    assert run(go()).failures
