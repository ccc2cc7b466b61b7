"""What a simulated cloud bears: quotas, and rates of calls, launches and terminations."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import Limits
from immutable.backend import CapacityShortage, Group, QuotaExceeded, Rate, Throttled
from immutable.memory import MemoryBackend, Quota
from immutable.memory.rates import Bucket
from immutable.planning.compile import replacement
from immutable.strategies import Rolling
from tests.memory.support import (
    BOOT,
    DRAIN,
    NAME,
    READY,
    STARTING,
    TERMINATE,
    Place,
    context,
    revision,
    virtual,
)

# -- quotas ----------------------------------------------------------------------------------------


@virtual
async def test_the_quota_of_an_account_counts_all_zones_and_all_fleets():
    place = Place(3)
    place.cloud.settled_fleet("other", Group(revision(), 0), 2)
    place.cloud.quota.total = 7
    with pytest.raises(QuotaExceeded, match="the quota of 7 servers is used up"):
        await place.grow(6, expected=3)
    assert (await place.states()) == {READY: 3, STARTING: 2}
    told = (await place.group()).trouble
    assert (told.message, told.zone) == ("the quota of 7 servers is used up", "")


@virtual
async def test_a_zone_whose_quota_is_used_up_is_passed_over_while_another_has_room():
    place = Place(3)
    place.cloud.quota = Quota(zones={"a": 1, "b": 1})
    assert await place.grow(5, expected=3) == 5
    assert [each.zone for each in await place.members()] == ["a", "b", "c", "c", "c"]


@virtual
async def test_when_every_zone_is_full_the_error_says_whose_limit_it_is():
    place = Place(1, zones=("a",))
    place.cloud.quota = Quota(zones={"a": 1})
    with pytest.raises(QuotaExceeded, match="the quota of 1 servers in zone a is used up"):
        await place.grow(2, expected=1)
    place.cloud.capacity = {"a": 1}
    await place.backend.settle(NAME, 1, context())
    with pytest.raises(CapacityShortage, match="no room in zone a"):
        await place.grow(2, expected=1)


@virtual
async def test_a_leaving_server_counts_against_the_quota_until_it_is_gone():
    place = Place(2)
    place.cloud.quota.total = 2
    await place.retire((await place.names())[0])
    with pytest.raises(QuotaExceeded):
        await place.grow(2, expected=1)
    await place.at(DRAIN + TERMINATE + 20)  # It is tried every 20 s.
    assert (await place.states()) == {READY: 1, STARTING: 1}
    assert (await place.group()).trouble is None


@virtual
async def test_a_preflight_reckons_with_quota_and_with_what_other_fleets_use():
    place = Place(4)
    place.cloud.settled_fleet("other", Group(revision(), 0), 3)
    state = await place.backend.observe(NAME)
    able = place.backend.capabilities
    plan = replacement(
        "memory://web", state, revision(2, "v2").image, None, Rolling(), Limits(max_surge=1), able
    )
    assert plan.bounds.ceiling == 5
    place.cloud.quota.total = 8
    assert await place.backend.preflight(NAME, plan) == ()
    place.cloud.quota.total = 7
    (problem,) = await place.backend.preflight(NAME, plan)
    assert problem.what == "room for 4 servers, 5 needed"


# -- rates -----------------------------------------------------------------------------------------


@virtual
async def test_a_call_above_the_rate_does_nothing_and_is_told_when_to_come_back():
    place = Place(3)
    place.cloud.rates.calls["grow"] = Rate(burst=2, per_second=0.5)
    await place.grow(4, expected=3)
    await place.grow(5, expected=4)
    with pytest.raises(Throttled) as caught:
        await place.grow(6, expected=5)
    assert caught.value.retry_after == 2
    assert (await place.group()).size == 5  # Looking is another kind of call.
    await asyncio.sleep(caught.value.retry_after)
    assert await place.grow(6, expected=5) == 6


@virtual
async def test_all_calls_together_can_have_a_rate_and_one_that_is_refused_uses_nothing_up():
    place = Place(3)
    place.cloud.rates.calls.update({"*": Rate(3, 0.1), "grow": Rate(1, 0.01)})
    await place.grow(4, expected=3)
    for _ in range(5):
        with pytest.raises(Throttled):
            await place.grow(5, expected=4)
    await place.group()
    await place.group()
    with pytest.raises(Throttled) as caught:
        await place.group()
    assert caught.value.retry_after == pytest.approx(10)


@virtual
async def test_a_rate_that_never_refills_does_not_say_when_to_come_back():
    place = Place(1)
    place.cloud.rates.calls["observe"] = Rate(1, 0)
    await place.group()
    with pytest.raises(Throttled) as caught:
        await place.group()
    assert caught.value.retry_after is None


@virtual
async def test_launches_above_the_rate_come_later_and_no_call_fails():
    place = Place(1)
    place.cloud.rates.launches = Rate(burst=2, per_second=0.5)
    assert await place.grow(6, expected=1) == 6
    seen = []
    for second in range(8):
        await place.at(second)
        seen.append(len(await place.names()))
    assert seen == [3, 3, 4, 4, 5, 5, 6, 6]
    assert (await place.group()).trouble is None
    await place.at(6 + BOOT)
    assert (await place.states()) == {READY: 6}


@pytest.mark.parametrize("per_second", [500 / 60, 1 / 3, 25, 0.7])
def test_a_wait_that_is_shorter_than_the_clock_can_tell_is_over(per_second):
    bucket, now = Bucket(Rate(1, per_second), 1_800_000_000.0), 1_800_000_000.0
    for _ in range(1000):
        while (seconds := bucket.wait(now)) > 0:
            assert now + seconds > now
            now += seconds
        bucket.take()
    assert now - 1_800_000_000.0 == pytest.approx(999 / per_second, rel=1e-6)


@virtual
async def test_a_group_that_is_made_smaller_meanwhile_launches_only_what_it_is_short_of():
    place = Place(1)
    place.cloud.rates.launches = Rate(1, 0.1)
    await place.grow(6, expected=1)
    place.cloud.resize(NAME, 1, 3)
    await place.at(100)
    assert (await place.states()) == {READY: 3}


@virtual
async def test_terminations_above_the_rate_wait_for_their_turn_and_count_as_leaving():
    place = Place(5)
    place.cloud.rates.terminations = Rate(burst=1, per_second=0.1)
    await place.retire(*(await place.names())[:3])
    left = []
    for turn in range(4):
        await place.at(DRAIN + TERMINATE + 10 * turn)
        left.append(len(await place.names()))
    assert left == [4, 3, 2, 2]


def test_a_backend_declares_the_rates_that_its_cloud_has():
    @virtual
    async def check():
        place = Place(1)
        assert place.backend.capabilities.launches is None
        place.cloud.rates.launches = Rate(10, 1)
        place.cloud.rates.terminations = Rate(20, 2)
        able = MemoryBackend(place.cloud).capabilities
        assert (able.launches, able.terminations) == (Rate(10, 1), Rate(20, 2))

    check()


@given(
    st.floats(1, 20),
    st.floats(0.01, 10),
    st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_no_bucket_gives_more_than_its_burst_and_what_has_flowed_in(burst, per_second, pauses):
    bucket, now, taken = Bucket(Rate(burst, per_second), 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.wait(now)
        if not wait:
            bucket.take()
            taken += 1
        else:
            # It says exactly when: not before, but then.
            assert bucket.wait(now + wait * 0.99) > 0
            assert bucket.wait(now + wait) == 0
            now += wait
        assert taken <= burst + per_second * now + 1e-6
