"""Regional groups: even over zones, and redistributed unless that is turned off.

https://cloud.google.com/compute/docs/instance-groups/regional-mig-distribution-shape
https://cloud.google.com/compute/docs/instance-groups/distributing-instances-with-regional-instance-groups
"""

from __future__ import annotations

from collections import Counter

import pytest
from google.api_core import exceptions

FIELD = "region_instance_group_managers_delete_instances_request_resource"


def zones(fleet):
    return Counter(m.instance.split("/zones/")[1].partition("/")[0] for m in fleet.members())


def zone_of(member):
    return member.instance.split("/zones/")[1].partition("/")[0]


def test_members_are_spread_evenly(emulator, spread):
    spread.make(6)
    assert zones(spread) == dict.fromkeys(emulator.zones, 2)
    told = spread.stage.told("web")
    assert told.region.endswith("/regions/europe-west1")
    assert [z.zone.rpartition("/")[2] for z in told.distribution_policy.zones] == emulator.zones


def test_operations_are_the_region_s(spread):
    spread.make(0)
    done = spread.call("resize", size=1)
    assert done.region.endswith("/regions/europe-west1")
    assert not done.zone


def test_an_uneven_group_is_redistributed(emulator, spread, until):
    """PROACTIVE is the default: somebody else's members are deleted for balance."""
    spread.make(6)
    here = emulator.zones[0]
    spread.delete(*[m for m in spread.members() if zone_of(m) == here])
    until(lambda: sorted(zones(spread).values()) == [1, 1, 2] and zones(spread)[here])
    assert spread.stage.told("web").target_size == 4


def test_redistribution_can_be_turned_off(emulator, spread):
    spread.make(6, update_policy={"instance_redistribution_type": "NONE"})
    here = emulator.zones[0]
    kept = [m for m in spread.members() if zone_of(m) != here]
    spread.delete(*[m for m in spread.members() if zone_of(m) == here])
    spread.settled(4)
    assert {m.id for m in spread.members()} == {m.id for m in kept}


def test_redistribution_is_turned_on_again_only_where_the_group_is_even(emulator, spread):
    """https://cloud.google.com/compute/docs/instance-groups/regional-mig-rebalance-manually"""
    spread.make(6, update_policy={"instance_redistribution_type": "NONE"})
    here = emulator.zones[0]
    spread.delete(*[m for m in spread.members() if zone_of(m) == here])
    spread.settled(4)
    on = {"update_policy": {"instance_redistribution_type": "PROACTIVE"}}
    with pytest.raises(exceptions.BadRequest, match="not balanced"):
        spread.patch(**on)
    spread.call("resize", size=6)
    assert zones(spread.settled(6)) == dict.fromkeys(emulator.zones, 2)
    spread.patch(**on)
    told = spread.stage.told("web").update_policy
    assert told.instance_redistribution_type == "PROACTIVE"


def test_a_smaller_size_hits_the_fullest_zones(emulator, spread):
    spread.make(5, update_policy={"instance_redistribution_type": "NONE"})
    spread.call("resize", size=3)
    assert zones(spread.settled(3)) == dict.fromkeys(emulator.zones, 1)


def test_only_zones_of_the_policy_are_used(emulator, spread):
    policy = {"zones": [{"zone": f"zones/{z}"} for z in emulator.zones[:2]]}
    spread.make(4, distribution_policy=policy)
    assert zones(spread) == dict.fromkeys(emulator.zones[:2], 2)


def test_even_waits_for_the_zone_and_balanced_does_not(emulator, spread, until):
    emulator.laws(retry=0.05)
    emulator.capacity(zone=emulator.zones[0], instances=0)
    emulator.laws(boot=0.05, operation=0.01, reaction=0.01)
    image = spread.stage.image("web-1")
    template = spread.stage.template("web-r1", image)
    spread.stage.group("even", 3, template)
    stuck = until(lambda: [m for m in spread.members("even") if m.last_attempt.errors.errors])[0]
    assert zone_of(stuck) == emulator.zones[0]
    assert not spread.stage.told("even").status.is_stable
    balanced = {"target_shape": "BALANCED"}
    spread.stage.group("balanced", 3, template, distribution_policy=balanced)
    spread.settled(3, "balanced")
    assert emulator.zones[0] not in {zone_of(m) for m in spread.members("balanced")}
