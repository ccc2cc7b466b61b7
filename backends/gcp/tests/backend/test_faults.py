"""What goes wrong between a rollout and Google: lost answers, throttling, no room, deaths."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from attrs import evolve

from backends.gcp.tests.backend.account import DOUBLE, LIMITS
from backends.gcp.tests.backend.test_rollouts import at, check_balanced, check_moved
from immutable import Canary, RolledBack, Rolling, Status
from tests.emulators.adopted import ended, killed_and_followed, replaced, run, taken_back
from tests.emulators.waiting import eventually

CHANGES = (
    "regionInstanceGroupManagers.insert",
    "regionInstanceGroupManagers.patch",
    "regionInstanceGroupManagers.resize",
    "regionInstanceGroupManagers.deleteInstances",
    "regionInstanceGroupManagers.delete",
    "regionAutoscalers.insert",
    "regionAutoscalers.patch",
    "regionAutoscalers.delete",
    "instanceTemplates.insert",
    "instanceTemplates.delete",
    "backendServices.insert",
    "backendServices.patch",
    "backendServices.delete",
    "urlMaps.update",
)
"""Every request that changes something."""

SHARES = Canary(stages=("50%", "100%"), bake=1)
READS = ("*.get", "*.list", "*.aggregatedList", "*.listManagedInstances", "*.getHealth", "*.wait")


def again(account, strategy=SHARES, limits=DOUBLE, first=lambda: None, **options):
    """Replace the adopted fleet, and what came of that once more, with faults from then on."""
    before = account.everything()
    third = account.stage.image("web-3")

    async def go():
        async with account.fleet(**options) as fleet:
            await fleet.replace(account.images[1], strategy, limits=limits)
            first()
            return await fleet.replace(third, strategy, limits=limits)

    return run(go()), before


def made(account, group="web-r2"):
    """How many VMs there are of a group's template."""
    return sum(each["template"] == group for each in account.emulator.members())


def fired(account):
    return Counter(each["action"] for each in account.emulator.clear_faults() if each["fired"])


def lose(account, *, skip=0):
    for action in CHANGES:
        account.emulator.fault(action=action, kind="lost", skip=skip)


def check_again(account, before, size):
    after = account.everything()
    assert set(after["groups"]) == {at(account, "web"), at(account, "web-r3")}
    assert set(after["instanceTemplates"]) == {"global/web-theirs", "global/web-r3"}
    (scaler,), (was,) = after["autoscalers"].values(), before["autoscalers"].values()
    assert scaler["autoscalingPolicy"] == was["autoscalingPolicy"]
    check_balanced(account, "web-r3", size)
    assert made(account, "web-r3") == size


@pytest.mark.timeout(180)
def test_the_first_answer_of_every_change_is_lost(account):
    """Each took effect and nobody knew: nothing is made twice, and the end is the same."""
    account.group(6)
    result, before = again(account, first=lambda: lose(account), late_effect=0.5)
    assert result.status.value == "succeeded"
    check_again(account, before, 6)
    # backendServices.patch is what only a shared pool needs.
    assert fired(account).keys() == set(CHANGES) - {"backendServices.patch"}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_first_answer_of_every_change_of_a_shared_pool_is_lost(account):
    result, _, before, after = replaced(
        account, Rolling(), size=6, first=lambda: lose(account), late_effect=0.5
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=6)
    assert made(account) == 6
    assert "backendServices.patch" in fired(account)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", [1, 2])
def test_a_later_answer_of_every_change_is_lost(account, which):
    def later():
        lose(account, skip=which)
        lose(account, skip=which + 2)

    result, _, before, after = replaced(
        account, SHARES, size=6, limits=DOUBLE, first=later, late_effect=0.5
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=6)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_lost_answers_on_the_way_back_leave_no_trace(account):
    account.group(6)
    before = account.everything()
    account.emulator.fate(image=account.images[1].rpartition("/")[2], answers=None)
    limits = evolve(DOUBLE, boot_timeout=2, max_failures=1)
    taken_back(account, SHARES, limits, lambda: lose(account), late_effect=0.5)
    assert account.everything() == before


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("status", [403, 429])
def test_throttled_at_every_call_it_is_slower_and_ends_the_same(account, status):
    def throttle():
        for action in (*CHANGES, *READS):
            account.emulator.fault(action=action, kind="throttle", status=status)

    result, _, before, after = replaced(
        account, Rolling(), size=4, first=throttle, poll=0.5, late_effect=0.5
    )
    assert result.status.value == "succeeded"
    assert sum(fired(account).values()) >= 10
    check_moved(account, before, after, size=4)
    assert made(account) == 4


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["reset", "garbled", 500, 502, 503, 504])
def test_dead_connections_and_server_errors_are_repeated(account, how):
    def trouble():
        for action in CHANGES:
            if isinstance(how, int):
                account.emulator.fault(action=action, kind="error", status=how)
            else:
                account.emulator.fault(action=action, kind=how)

    result, _, before, after = replaced(account, Rolling(), size=3, first=trouble, late_effect=0.5)
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=3)
    assert made(account) == 3


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("status", [None, 503])
def test_an_operation_that_fails_is_no_success(account, status):
    """Accepted with HTTP 200, and its operation ends badly: with a status, or with errors alone."""

    def trouble():
        for action in CHANGES:
            account.emulator.fault(
                action=action, kind="operation", code="INTERNAL_ERROR", status=status
            )

    result, _, before, after = replaced(account, Rolling(), size=3, first=trouble, late_effect=0.5)
    assert result.status.value == "succeeded"
    assert len(fired(account)) >= 8
    check_moved(account, before, after, size=3)


def test_one_zone_without_capacity_is_made_up_by_the_others(account):
    policy = {
        "distribution_policy": {"target_shape": "BALANCED"},
        "update_policy": {"type_": "OPPORTUNISTIC", "instance_redistribution_type": "NONE"},
    }
    full = account.emulator.zones[0]

    def fill():
        # Stable's members there stay; nothing more fits.
        account.emulator.capacity(zone=full, instances=account.zones("web")[full])

    result, _, before, after = replaced(
        account, Rolling(), size=9, first=fill, group={"autoscaled": False, **policy}
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=9)


def test_an_even_group_waits_for_a_full_zone_and_goes_back(account):
    """Google's EVEN shape waits for its zone: the rollout says so, and leaves no trace."""
    account.group(6)
    before = account.everything()
    for zone in account.emulator.zones:
        account.emulator.capacity(zone=zone, instances=2)
    error = taken_back(account, Rolling(), evolve(LIMITS, progress_deadline=3))
    assert "ZONE_RESOURCE_POOL_EXHAUSTED" in str(error)
    assert account.everything() == before


def test_a_quota_that_is_reached_half_way_is_named_and_the_way_back_works(account):
    account.group(6)
    before = account.everything()

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(
                account.images[1], Rolling(), limits=evolve(LIMITS, progress_deadline=3)
            )
            task = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: account.zones("web-r2").total() >= 2)
            account.emulator.quota(metric="INSTANCES", limit=4)
            await eventually(rollout.status, lambda told: told.status is Status.ROLLING_BACK)
            account.emulator.quota(metric="INSTANCES", limit=100)
            return await task

    end = run(go())
    assert isinstance(end, RolledBack)
    assert account.everything() == before


# -- controllers that die --------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("strategy", "members", "size"),
    [
        ("rolling", 1, 6),
        pytest.param("rolling", 12, 20, marks=pytest.mark.slow),
        pytest.param("blue-green", 2, 20, marks=pytest.mark.slow),
        pytest.param("blue-green", 20, 20, marks=pytest.mark.slow),
        pytest.param("rolling", 40, 100, marks=pytest.mark.slow),
    ],
)
def test_a_killed_controller_is_followed_by_another_one(account, tmp_path, strategy, members, size):
    account.group(size)
    before = account.everything()
    journal, place = tmp_path / "journal.db", (account.emulator.url, account.location)
    words = ["backends.gcp.tests.backend.controller", *place, str(journal), account.images[1]]
    result = killed_and_followed(
        account,
        journal,
        [*words, strategy],
        {},
        lambda: account.zones("web-r2").total() >= members,
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, account.everything(), size=size)
    check_balanced(account, "web-r2", size)
    assert made(account) == size
