"""What goes wrong between a rollout and Azure: lost answers, throttling, no room, sudden deaths."""

from __future__ import annotations

import asyncio
import copy

import pytest
from attrs import evolve

from backends.azure.tests.backend.account import LIMITS, marks
from backends.azure.tests.backend.test_rollouts import check_budget, check_moved, replaced
from immutable import RolledBack, Rolling
from immutable.errors import Conflict, Gone
from immutable_azure.hands import Hands
from immutable_azure.looking import Eyes
from tests.emulators.adopted import ended, killed_and_followed, run, taken_back
from tests.emulators.waiting import eventually

SETS = "compute:virtual_machine_scale_sets"
SETTINGS = "monitor:autoscale_settings"
CHANGES = (
    f"{SETS}.create_or_update",
    f"{SETS}.update",
    f"{SETS}.delete",
    f"{SETS}.delete_instances",
    f"{SETS}.set_orchestration_service_state",
    "network:load_balancer_backend_address_pools.create_or_update",
    f"{SETTINGS}.create_or_update",
    f"{SETTINGS}.delete",
)
"""Every request that changes something."""


def fired(account):
    return [each["action"] for each in account.emulator.clear_faults() if each["fired"]]


def test_all_changes_of_a_rollout_are_named_here(account):
    replaced(account, Rolling(), size=2, on_replace="delete", first=account.emulator.clear_calls)
    made = {name for name in account.emulator.calls() if name.split(":")[0] != "resources"}
    reads = (".get", ".list", ".get_instance_view", ".list_by_resource_group", ".health")
    assert {name for name in made if not name.endswith(reads)} == set(CHANGES)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("flexible", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_first_answer_of_every_change_is_lost(account, flexible):
    """Each took effect and nobody knew: nothing is made twice, and the end is the same."""

    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost")

    result, _, before, after = replaced(
        account, Rolling(), size=4, first=lose, late_effect=0.5, group={"flexible": flexible}
    )
    assert result.status.value == "succeeded"
    assert len(fired(account)) >= 6
    check_moved(account, before, after, size=4)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", range(3))
def test_a_later_answer_of_every_change_is_lost(account, which):
    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost", skip=which + 1)

    result, _, before, after = replaced(account, Rolling(), size=4, first=lose, late_effect=0.5)
    assert result.status.value == "succeeded"
    account.emulator.clear_faults()
    check_moved(account, before, after, size=4)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_lost_answers_on_the_way_back_leave_no_trace(account):
    account.group(4)
    before = account.everything()
    account.emulator.fate(image=account.images[1], answers=None)
    limits = evolve(LIMITS, boot_timeout=1.5, max_failures=1)

    def lose():
        for action in CHANGES:
            account.emulator.fault(action=action, kind="lost")

    taken_back(account, Rolling(), limits, lose, late_effect=0.5)
    assert account.everything() == before


@pytest.mark.timeout(180)
def test_throttled_at_every_change_it_is_slower_and_ends_the_same(account):
    def throttle():
        for action in CHANGES:
            account.emulator.fault(
                action=action, kind="error", status=429, code="TooManyRequests", times=2
            )

    result, _, before, after = replaced(account, Rolling(), size=4, first=throttle)
    assert result.status.value == "succeeded"
    assert len(fired(account)) >= 6
    check_moved(account, before, after, size=4)


def test_what_somebody_else_changed_is_not_overwritten(account):
    """Our change carries the ETag of what we read: it is refused, theirs stays, and we may say so.

    A call that could have changed something may not tell a `Conflict`: it would be a `Transient`.
    """
    account.group(2)

    async def go():
        async with account.fleet():
            backend = account.backend()
            hands = Hands(backend.calls, Eyes(backend.calls, 0.0))
            group = await hands.eyes.whole("web", 1)
            account.emulator.retag(group="web", tags={**group.tags, "seen": "yes"})
            with pytest.raises(Conflict), hands.deed.told_truly():
                await hands.tag(group, {**group.tags, "mine": "yes"})
            await backend.close()

    run(go())
    tags = account.emulator.everything()["groups"]["web"]["tags"]
    assert (tags.get("seen"), tags.get("mine")) == ("yes", None)


@pytest.mark.parametrize(
    "asked", ["compute:virtual_machine_scale_set_vms.list", f"{SETS}.get_instance_view"]
)
def test_a_set_that_goes_while_its_fleet_is_looked_at_is_no_end_of_the_fleet(account, asked):
    """Listed, and gone when more is asked about it: the fleet is looked at once more."""
    account.group(2)

    async def go():
        async with account.fleet():
            backend = account.backend()
            terms = {"kind": "error", "status": 404, "code": "ParentResourceNotFound"}
            account.emulator.fault(action=asked, **terms)
            state = await backend.observe("web")
            assert fired(account) == [asked]
            assert [each.size for each in state.groups] == [2]
            with pytest.raises(Gone, match="nobody"):
                await backend.observe("nobody")
            await backend.close()

    run(go())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_stale_etags_are_read_again(account):
    def stale():
        account.emulator.fault(
            action=CHANGES[1], kind="error", status=412, code="PreconditionFailed", times=5
        )

    result, _, before, after = replaced(account, Rolling(), size=4, first=stale)
    assert result.status.value == "succeeded"
    assert fired(account) == [CHANGES[1]]
    check_moved(account, before, after, size=4)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_operation_that_fails_is_tried_again(account):
    def fail():
        for action in CHANGES[:4]:
            account.emulator.fault(action=action, kind="fails", code="InternalExecutionError")

    result, _, before, after = replaced(account, Rolling(), size=4, first=fail, late_effect=0.5)
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=4)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_changes_that_pre_empt_each_other_end_the_same(account):
    account.emulator.laws(overlap="supersede", boot=0.5)
    result, _, before, after = replaced(account, Rolling(), size=4)
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=4)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_zone_without_room_is_waited_for(account):
    """Launches of one zone fail until there is room again; what they left is removed."""
    size = 6
    account.group(size, zones=("1",))
    before = account.everything()
    account.emulator.capacity(zone="1", machines=size)

    def codes():
        return {each["code"] for each in account.emulator.operations()}

    async def go():
        async with account.fleet() as fleet:
            task = asyncio.ensure_future(
                ended(fleet.replace(account.images[1], Rolling(), limits=LIMITS))
            )
            await eventually(lambda: {"ZonalAllocationFailed"} <= codes())
            account.emulator.capacity(zone="1", machines=None)
            return await task

    assert run(go()).status.value == "succeeded"
    check_moved(account, before, account.everything(), size=size)


@pytest.mark.timeout(120)
def test_a_quota_that_stays_exceeded_turns_the_rollout(account):
    account.group(4)
    before = account.everything()
    limits = evolve(LIMITS, progress_deadline=4)

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], Rolling(), limits=limits)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: "web-r2" in account.emulator.everything()["groups"])
            account.emulator.quota(name="cores", limit=8)
            return await task

    end = run(go())
    assert isinstance(end, RolledBack)
    assert "quota" in str(end)
    assert account.everything() == before


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("size", "members"),
    [
        (4, 1),
        pytest.param(4, 3, marks=pytest.mark.slow),
        pytest.param(20, 10, marks=pytest.mark.slow),
    ],
)
def test_a_killed_controller_is_followed_by_another_one(account, tmp_path, size, members):
    account.group(size)
    before = account.everything()
    result = _followed(account, tmp_path, lambda: len(account.serving("web-r2")) >= members)
    assert result.status.value == "succeeded"
    check_moved(account, before, account.everything(), size=size)
    assert marks(account, "web").keys() == {"retired"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_controller_killed_at_a_hundred_is_followed_within_what_azure_bears(account, tmp_path):
    """A minute of Azure's lasts 1 s here; two controllers share what a set bears in one.

    It takes a minute of ours, because that is what the budget makes of it: each of some 16 changes
    waits for its writes, two to three times ``Retry-After``, which is 1 s at the least.
    """
    minute, size = 1.0, 100
    account.group(size)
    before = account.everything()
    account.emulator.laws(minute=minute, boot=0.3, retry_after=1)
    account.emulator.clear_calls()
    seen = {"poll": 10 / 60 * minute}
    result = _followed(account, tmp_path, lambda: len(account.serving("web-r2")) >= 40, **seen)
    assert result.status.value == "succeeded"
    check_moved(account, before, account.everything(), size=size)
    assert marks(account, "web").keys() == {"retired"}
    check_budget(account, minute)


def _followed(account, tmp_path, far_enough, **capabilities):
    """Kill a controller once its rollout is far enough; how the next one ended it."""
    journal = tmp_path / "journal.db"
    words = ["backends.azure.tests.backend.controller", account.address, str(journal)]
    environment = {
        "AZURE_TEST_TOKEN": account.emulator.token,
        "AZURE_TEST_ENDPOINT": account.emulator.url,
        "AZURE_TEST_CA": account.emulator.trusted,
    }
    if "poll" in capabilities:
        environment["AZURE_TEST_POLL"] = str(capabilities["poll"])
    words.append(account.images[1])
    return killed_and_followed(account, journal, words, environment, far_enough, **capabilities)


def test_a_member_that_goes_while_its_pool_is_changed_is_looked_for_again(account, monkeypatch):
    """What was read of the pool names it still: no problem of the request, but of the moment."""
    account.group(3)

    async def go():
        async with account.fleet() as fleet:
            eyes = fleet.backend._eyes
            (group,) = await eyes.groups("web")
            (pool,) = group.pools
            told = await eyes.pools.get(pool)
            addresses = told["properties"]["loadBalancerBackendAddresses"]
            nics = {each["properties"]["networkInterfaceIPConfiguration"]["id"]
                    .rpartition("/ipConfigurations")[0].lower() for each in addresses}  # fmt: skip
            ghost = copy.deepcopy(addresses[0])
            ghost["name"] = "gone"
            port = ghost["properties"]["networkInterfaceIPConfiguration"]
            port["id"] = port["id"].replace("/virtualMachines/0/", "/virtualMachines/99/")
            addresses.append(ghost)

            async def stale(_):
                return told

            with monkeypatch.context() as patch:
                patch.setattr(eyes.pools, "get", stale)
                with pytest.raises(Conflict, match="went while it was changed"):
                    await eyes.pools.shut(pool, nics)
            assert await eyes.pools.shut(pool, nics)

    run(go())
