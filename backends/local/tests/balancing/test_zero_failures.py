"""Members are replaced under load of all kinds, and no client sees anything.

Clients don't retry, and a kept connection that is cut counts as a failure.
"""

import pytest
from attrs import evolve

from backends.local.tests.balancing.conftest import NewSites
from backends.local.tests.balancing.support import Load, Site, until
from immutable_local.balancing import Balancer, Member

pytestmark = pytest.mark.asyncio


def of(sites: list[Site], *, draining: bool = False) -> dict[str, Member]:
    return {site.name: evolve(site.member, draining=draining) for site in sites}


async def retire(balancer: Balancer, leaving: list[Site], staying: list[Site]) -> None:
    """Drain, wait until nothing is in flight, end the servers, and only then remove them."""
    await balancer.apply(of(staying) | of(leaving, draining=True))

    async def empty() -> bool:
        seen = await balancer.traffic()
        return all(seen[site.name].in_flight == 0 for site in leaving)

    await until(empty)
    assert [site.active for site in leaving] == [0] * len(leaving)
    asked = [site.requests for site in leaving]
    for site in leaving:
        await site.stop()
    await balancer.apply(of(staying))
    assert [site.requests for site in leaving] == asked


async def test_a_rolling_replacement_fails_no_request(balancer: Balancer, sites: NewSites) -> None:
    members = await sites("a", "b")
    await balancer.apply(of(members))
    load = Load(balancer)
    async with load.running():
        for number in range(2):
            members += await sites(f"new-{number}", revision=2)
            await balancer.apply(of(members))
            await load.more()
            oldest, *members = members
            await retire(balancer, [oldest], members)
            await load.more()
    assert load.failures == []
    assert set(load.answers) == {"keep-alive", "new", "post", "slow", "stream"}
    assert {site.revision for site in members} == {2}


async def test_a_switch_and_its_way_back_fail_no_request(fresh: Balancer, sites: NewSites) -> None:
    blue = await sites("b1", "b2", "b3", "b4")
    green = await sites("g1", "g2", "g3", "g4", revision=2)
    await fresh.apply(of(blue))
    load = Load(fresh)
    async with load.running():
        for new, old in ((green, blue), (blue, green), (green, blue)):
            await fresh.apply(of(new) | of(old, draining=True))
            await load.more()
        await retire(fresh, blue, green)
        await load.more()
    assert load.failures == []
    by_revision = await fresh.revisions()
    assert by_revision[1].failed == by_revision[2].failed == 0
    assert by_revision[1].requests == sum(site.requests for site in blue)
