"""Blue and green: all traffic is switched by one change of the load balancer's rules, and back.

"Azure Load Balancer components" (https://learn.microsoft.com/azure/load-balancer/components).
"""

from __future__ import annotations

import asyncio
import copy

import pytest
from attrs import evolve

from backends.azure.tests.backend.account import LIMITS, marks
from immutable import BlueGreen, PlanRefused, RolledBack, Rolling
from immutable_azure.permissions import SWITCHING
from tests.emulators.adopted import aborted, ended, run

SIZE = 6
DOUBLE = evolve(LIMITS, max_surge="100%")
SWITCH = BlueGreen(bake=0.1)
BALANCER = "Microsoft.Network/loadBalancers/front"
PUT = "network:load_balancers.create_or_update"
KINDS = pytest.mark.parametrize(
    "flexible", [pytest.param(False, id="uniform"), pytest.param(True, id="flexible")]
)


def switched(account, strategy=SWITCH, *, limits=DOUBLE, first=lambda: None, **options):
    """Replace the fleet; return how it ended and the weights then."""
    wanted = options.pop("image", account.images[1])

    async def go():
        async with account.fleet(**options) as fleet:
            first()
            end = await ended(fleet.replace(wanted, strategy, limits=limits))
            return end, {g.number: g.weight for g in (await fleet.state()).groups}

    return run(go())


def leads_to(account):
    """Return the name of the pool that the load balancer's rule sends to."""
    (rule,) = account.everything()["resources"][BALANCER]["properties"]["loadBalancingRules"]
    return rule["properties"]["backendAddressPool"]["id"].rsplit("/", 1)[1]


def pools(told):
    balancer = told["resources"][BALANCER]["properties"]
    return [each["name"] for each in balancer["backendAddressPools"]]


def switches(account):
    """Return how many changes of the load balancer were made."""
    log = account.emulator.calls(log=True)
    return len([each for each in log if each["call"] == PUT and each["status"] < 300])


def check_switched(account, before, after, size):
    """The rule sends to ``web-r2``'s pool, all of whose set serves; nothing else of it differs."""
    old, new = (copy.deepcopy(each["resources"][BALANCER]) for each in (before, after))
    assert pools(before) == ["web"]
    assert pools(after) == ["web", "web-r2"]
    assert leads_to(account) == "web-r2"
    for told in (old, new):
        told["properties"].pop("backendAddressPools")
        told["properties"]["loadBalancingRules"][0]["properties"].pop("backendAddressPool")
    assert new == old
    assert after["groups"]["web"]["members"] == []
    members = after["groups"]["web-r2"]["members"]
    assert len(members) == size
    assert all("pools=['web-r2']" in each for each in members)
    assert len(account.serving("web-r2")) == size


@KINDS
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_whole_fleet_is_switched_at_once(account, flexible):
    account.group(SIZE, flexible=flexible)
    before = account.everything()
    account.emulator.clear_calls()
    result, weights = switched(account)
    assert (result.status.value, result.reason, weights) == ("succeeded", "", {2: None})
    check_switched(account, before, account.everything(), SIZE)
    assert switches(account) == 1


def test_green_serves_nobody_before_the_switch_and_blue_nobody_after_it(account):
    account.group(3)
    seen = set()

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], evolve(SWITCH, bake=0.5), limits=DOUBLE)
            task = asyncio.ensure_future(ended(rollout))
            while not task.done():
                there = {e["group"]: len(e["serving"]) for e in account.emulator.members()}
                seen.add(frozenset(group for group, serving in there.items() if serving))
                await asyncio.sleep(0.02)
            return await task

    assert run(go()).status.value == "succeeded"
    assert seen == {frozenset({"web"}), frozenset({"web-r2"})}
    check_owners(account)


def check_owners(account):
    """The pool that was made is known as ours, the owner's isn't."""
    assert marks(account, "web-r2")["pool"] == "own"
    assert "pool" not in marks(account, "web")


def test_the_way_back_is_a_switch_and_leaves_no_trace(account):
    account.group(3)
    before = account.everything()
    patient = evolve(SWITCH, bake=600)
    end = aborted(account, patient, DOUBLE, lambda: leads_to(account) == "web-r2")
    assert isinstance(end, RolledBack)
    assert account.everything() == before


def test_a_pool_whose_set_was_never_made_is_taken_away(account):
    account.group(2)
    before = account.everything()
    refused = {"kind": "error", "status": 403, "code": "AuthorizationFailed"}
    call = "compute:virtual_machine_scale_sets.create_or_update"

    def refuse():
        account.emulator.fault(action=call, times=20, **refused)

    end, _ = switched(account, first=refuse)
    assert isinstance(end, RolledBack)
    made = account.emulator.calls()
    assert made["network:load_balancer_backend_address_pools.create_or_update"] >= 1
    assert account.everything() == before


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "lost"}, id="lost", marks=pytest.mark.slow),
        {"kind": "error", "status": 412, "code": "PreconditionFailed"},
        {"kind": "error", "status": 429, "code": "RetryableErrorDueToAnotherOperation"},
    ],
    ids=lambda fault: fault["code"],
)
def test_a_switch_that_goes_wrong_once_is_made_all_the_same(account, fault):
    account.group(2)
    before = account.everything()
    result, _ = switched(account, first=lambda: account.emulator.fault(action=PUT, **fault))
    assert result.status.value == "succeeded"
    check_switched(account, before, account.everything(), 2)


def test_whoever_changes_the_balancer_meanwhile_is_not_overwritten(account):
    """The switch is held against what was read: "stale" it is refused, and read again."""
    account.group(2)
    path = account.stage.id("Microsoft.Network", "loadBalancers", "front")
    theirs = {}

    async def go():
        async with account.fleet() as fleet:
            backend = fleet.backend
            ask = backend.calls.ask

            async def slow(name, *words, **options):
                told = await ask(name, *words, **options)
                ready = leads_to(account) == "web" and len(pools(account.everything())) == 2
                if name == "network.load_balancers.get" and ready and not theirs:
                    theirs.update(told, tags={"cost": "7"})
                    await asyncio.to_thread(account.stage.put, path, **_plain(theirs))
                return told

            backend.calls.ask = slow
            return await fleet.replace(account.images[1], SWITCH, limits=DOUBLE)

    account.emulator.clear_calls()
    assert run(go()).status.value == "succeeded"
    log = [each for each in account.emulator.calls(log=True) if each["call"] == PUT]
    assert [each["status"] for each in log] == [200, 412, 200]
    told = account.everything()["resources"][BALANCER]
    assert (told["tags"], leads_to(account)) == ({"cost": "7"}, "web-r2")


def _plain(told):
    return {name: told[name] for name in ("sku", "properties", "tags")}


@pytest.mark.slow
def test_the_next_switch_takes_the_pool_of_the_last_one_away(account):
    account.group(2)
    third, fourth = account.stage.image("3.0.0"), account.stage.image("4.0.0")
    switched(account)
    switched(account, image=third, adopt=False)
    after = account.everything()
    assert (pools(after), leads_to(account)) == (["web", "web-r3"], "web-r3")
    assert after["groups"].keys() == {"web", "web-r3"}
    result, _ = switched(account, Rolling(), limits=LIMITS, image=fourth, adopt=False)
    assert result.status.value == "succeeded"
    # The pool is shared by then: it goes with the last set that is in it.
    assert (pools(account.everything()), leads_to(account)) == (["web", "web-r3"], "web-r3")
    assert marks(account, "web-r4")["pool"] == "own"


def refusal(account):
    """Return why a switch of the adopted fleet is refused; empty when it isn't."""

    async def go():
        async with account.fleet() as fleet:
            before = account.everything()
            try:
                await fleet.plan(account.images[1], BlueGreen(), limits=DOUBLE)
            except PlanRefused as error:
                return str(error)
            finally:
                assert account.everything() == before
            return ""

    return run(go())


def change_balancer(account, **properties):
    path = account.stage.id("Microsoft.Network", "loadBalancers", "front")
    told = account.emulator.arm("GET", path)
    account.stage.put(path, sku=told["sku"], properties=told["properties"] | properties)


def test_a_sound_switch_has_no_problem(account):
    account.group(2)
    assert refusal(account) == ""


def test_health_by_a_probe_alone_is_no_switch(account):
    """A pool that no rule sends to has no probe: nobody could say whether its members serve."""
    account.group(2, health=None)
    assert "told by a probe alone" in refusal(account)


def test_what_leads_to_the_pool_beside_rules_is_told(account):
    account.group(2)
    balancer = account.stage.id("Microsoft.Network", "loadBalancers", "front")
    front, pool = {"id": f"{balancer}/frontendIPConfigurations/public"}, {"id": account.pools[0]}
    way_out = {"frontendIPConfigurations": [front], "backendAddressPool": pool, "protocol": "All"}
    change_balancer(account, outboundRules=[{"name": "out", "properties": way_out}])
    assert "outbound rule out is for one pool" in refusal(account)


def test_a_fleet_in_no_pool_or_in_two_can_not_be_switched(account):
    account.pools = account.stage.balancer(pools=("web", "other"))
    account.group(1)
    assert "is in 2 backend pools" in refusal(account)


def test_what_a_switch_needs_to_be_permitted_is_told_only_for_one(account):
    account.group(1)
    account.emulator.deny(actions=list(SWITCHING))
    told = refusal(account)
    assert all(action in told for action in SWITCHING)
    account.emulator.deny(actions=[])
