"""Sizes of groups: bounds, zones, launches that take time, and deletion."""

from __future__ import annotations

from collections import Counter

import pytest
from botocore.exceptions import ClientError


def refused(code, call, **words):
    with pytest.raises(ClientError) as caught:
        call(**words)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def test_members_are_pending_first_and_spread_over_the_zones(emulator, stage, fleet, until):
    emulator.laws(boot=0.4)
    template = stage.template("web-r1", stage.image("web-1"))
    stage.group("web", 6, template)
    seen = until(fleet.members, lambda found: len(found) == 6)
    assert {member["LifecycleState"] for member in seen} == {"Pending"}
    members = fleet.settled(6)
    assert set(Counter(m["AvailabilityZone"] for m in members).values()) == {2}


def test_a_size_outside_the_bounds_is_refused(stage, fleet):
    fleet.make(1)
    said = refused(
        "ValidationError",
        stage.asg.set_desired_capacity,
        AutoScalingGroupName="web",
        DesiredCapacity=7,
    )
    assert "above max value 6" in said


def test_lowered_sizes_pick_their_victims_themselves(stage, fleet):
    fleet.make(4)
    before = Counter(m["AvailabilityZone"] for m in fleet.members())
    fullest = before.most_common(1)[0][0]
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    after = Counter(m["AvailabilityZone"] for m in fleet.settled(3))
    assert after[fullest] == before[fullest] - 1


def test_a_group_with_members_is_not_deleted(stage, fleet, until):
    fleet.make(1)
    refused("ResourceInUse", stage.asg.delete_auto_scaling_group, AutoScalingGroupName="web")
    stage.asg.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert fleet.told()["Status"] == "Delete in progress"
    until(
        lambda: stage.asg.describe_auto_scaling_groups()["AutoScalingGroups"],
        lambda groups: not groups,
    )
