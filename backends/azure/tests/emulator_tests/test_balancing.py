"""Load balancers: who is in a pool, who is sent requests, administrative states, probes.

"Administrative state" (https://learn.microsoft.com/azure/load-balancer/admin-state-overview),
"Backend pool management" (https://learn.microsoft.com/azure/load-balancer/backend-pool-management).
"""

from __future__ import annotations

import pytest
from azure.mgmt.network.models import BackendAddressPoolPropertiesFormat

from backends.azure.tests.emulator.pools import READ_ONLY

pytestmark = pytest.mark.asyncio


async def administer(network, pool, *states):
    """Set administrative states of a pool's addresses, in their order."""
    call = network.load_balancer_backend_address_pools
    found = await call.get("rg", "front", pool)
    for address, state in zip(
        found.properties.load_balancer_backend_addresses, states, strict=True
    ):
        address.properties.admin_state = state
    await (await call.begin_create_or_update("rg", "front", pool, found)).result()


async def test_machines_are_in_the_pools_that_their_network_names(emulator, fleet, network):
    """`loadBalancerBackendAddresses` and `backendIPConfigurations` of a pool."""
    await fleet.make(2).settled(2)
    pool = await network.load_balancer_backend_address_pools.get("rg", "front", "web")
    named = [conf.id for conf in pool.properties.backend_ip_configurations]
    assert [path.split("/virtualMachines/")[1].split("/")[0] for path in named] == ["0", "1"]
    assert len({a.name for a in pool.properties.load_balancer_backend_addresses}) == 2
    whole = await network.load_balancers.get("rg", "front")
    assert len(whole.properties.backend_address_pools[0].properties.backend_ip_configurations) == 2


async def test_down_takes_new_connections_away_and_up_overrides_the_probe(emulator, fleet, network):
    """Types of admin state values."""
    await fleet.make(2).settled(2)
    await administer(network, "web", "Down", "None")
    assert [m["serving"] for m in emulator.members()] == [[], ["web"]]
    emulator.sicken(machine="web_1")
    assert [m["serving"] for m in emulator.members()] == [[], []]
    await administer(network, "web", "None", "Up")
    assert [m["serving"] for m in emulator.members()] == [["web"], ["web"]]


@pytest.mark.parametrize("flexible", [False, True])
async def test_a_state_goes_with_its_network_interface(emulator, fleet, network, flexible):
    """Addresses of a pool are those of interfaces that there are ("Backend pool management")."""
    size = 12  # Members 1, 10 and 11: one name begins like the others.
    await fleet.make(size, flexible=flexible).settled(size)
    await administer(network, "web", *["Down"] * size)
    there = emulator.members()
    gone = there[1]["name" if flexible else "number"]
    await fleet.remove(str(gone))
    assert list(emulator.everything()["admin"].values()) == [size - 1]
    await fleet.remove(*(str(m["name" if flexible else "number"]) for m in emulator.members()))
    assert emulator.everything()["admin"] == {}


async def test_a_rule_tells_the_health_of_its_addresses(emulator, fleet, network):
    """ "Load Balancer Load Balancing Rules - Health"."""
    await fleet.make(3).settled(3)
    emulator.sicken(machine="web_2")
    poller = await network.load_balancer_load_balancing_rules.begin_health("rg", "front", "web")
    told = await poller.result()
    assert (told.up, told.down) == (2, 1)
    states = {
        a.network_interface_ip_configuration_id.split("/virtualMachines/")[1][0]: a.state
        for a in told.load_balancer_backend_addresses
    }
    assert states == {"0": "Up", "1": "Up", "2": "Down"}


async def test_a_stale_etag_of_a_load_balancer(fleet, network, refused):
    """Recorded: 412 with `PreconditionFailedEtagMismatch` inside."""
    fleet.make(0)
    balancer = await network.load_balancers.get("rg", "front")
    words = {"headers": {"If-Match": 'W/"other"'}}
    call = network.load_balancers.begin_create_or_update("rg", "front", balancer, **words)
    error = await refused(412, "PreconditionFailed", call)
    assert error.error.details[0].code == "PreconditionFailedEtagMismatch"
    again = {"headers": {"If-Match": balancer.etag}}
    call = network.load_balancers.begin_create_or_update("rg", "front", balancer, **again)
    made = await (await call).result()
    assert made.etag != balancer.etag


async def test_a_locked_load_balancer_is_a_429_that_passes(emulator, fleet, network, refused):
    """`RetryableErrorDueToAnotherOperation` ("Request limits and throttling")."""
    fleet.make(0)
    fleet.freeze(settle=60)
    balancer = await network.load_balancers.get("rg", "front")
    call = network.load_balancers.begin_create_or_update
    first = await call("rg", "front", balancer)
    code = "RetryableErrorDueToAnotherOperation"
    await refused(429, code, call("rg", "front", balancer))
    emulator.skip(seconds=61)
    await first.result()
    await call("rg", "front", balancer)


async def test_what_is_used_is_not_removed(fleet, network, refused):
    """A pool with machines, a network with machines."""
    fleet.make(1)
    pools = network.load_balancer_backend_address_pools
    await refused(
        400, "InUseBackendAddressPoolCannotBeDeleted", pools.begin_delete("rg", "front", "web")
    )
    await refused(400, "InUse", network.load_balancers.begin_delete("rg", "front"))
    await fleet.remove("0")
    await (await network.load_balancers.begin_delete("rg", "front")).result()
    assert [each async for each in network.load_balancers.list("rg")] == []


async def test_a_rule_that_names_another_pool_sends_there(emulator, stage, fleet, network):
    """ "Azure Load Balancer components": a rule sends to one backend pool, whoever is in others."""
    await fleet.make(1).settled(1)
    stage.balancer(pools=("web", "other"))
    balancer = await network.load_balancers.get("rg", "front")
    web, other = balancer.backend_address_pools
    for rule in balancer.load_balancing_rules:
        rule.backend_address_pool = type(rule.probe)(id=other.id)
    await (await network.load_balancers.begin_create_or_update("rg", "front", balancer)).result()
    assert [m["serving"] for m in emulator.members()] == [[]]
    told = await network.load_balancer_backend_address_pools.get("rg", "front", "web")
    assert (told.load_balancing_rules, len(told.load_balancer_backend_addresses)) == (None, 1)
    for rule in balancer.load_balancing_rules:
        rule.backend_address_pool = type(rule.probe)(id=web.id)
    await (await network.load_balancers.begin_create_or_update("rg", "front", balancer)).result()
    assert [m["serving"] for m in emulator.members()] == [["web"]]


async def test_what_is_read_only_of_a_pool_is_so_by_azures_own_client():
    """Microsoft's description of the service, from which the installed client is made, says so."""
    fields = BackendAddressPoolPropertiesFormat._attr_to_rest_field.values()
    told = {each._rest_name for each in fields if each._visibility == ["read"]}
    assert set(READ_ONLY) - told == {"loadBalancerBackendAddresses"}


async def test_rules_name_pools_that_are_there(stage, fleet, network, refused):
    """ "Load Balancers - Create Or Update": a reference to nothing is refused."""
    fleet.make(0)
    balancer = await network.load_balancers.get("rg", "front")
    (rule,) = balancer.load_balancing_rules
    rule.backend_address_pool = type(rule.probe)(id=f"{balancer.id}/backendAddressPools/none")
    call = network.load_balancers.begin_create_or_update("rg", "front", balancer)
    await refused(400, "InvalidResourceReference", call)


async def test_a_pool_that_a_model_names_stays(stage, fleet, network, refused):
    """Azure/vm-scale-sets #53, also by a change of the load balancer that leaves it out."""
    pools = network.load_balancer_backend_address_pools
    code = "InUseBackendAddressPoolCannotBeDeleted"
    fleet.make(0)
    await refused(400, code, pools.begin_delete("rg", "front", "web"))
    balancer = await network.load_balancers.get("rg", "front")
    balancer.backend_address_pools = []
    call = network.load_balancers.begin_create_or_update("rg", "front", balancer)
    await refused(400, code, call)


async def test_a_pool_that_is_not_there_can_not_be_named(stage, compute, refused):
    """`InvalidResourceReference`: "Resolve errors for resource not found"."""
    model = stage.model(1, stage.image(), pools=[f"{stage.network}/backendAddressPools/none"])
    body = {"location": stage.location, **model}
    call = compute.virtual_machine_scale_sets.begin_create_or_update("rg", "web", body)
    await refused(400, "InvalidResourceReference", call)
