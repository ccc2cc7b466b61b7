"""Sizes of groups: bounds, zones, launches that take time, victims, templates, deletion.

Documents: CreateAutoScalingGroup, UpdateAutoScalingGroup, SetDesiredCapacity and
DeleteAutoScalingGroup in the Amazon EC2 Auto Scaling API Reference
(https://docs.aws.amazon.com/autoscaling/ec2/APIReference/); "Configure termination policies"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html).
"""

from __future__ import annotations

from collections import Counter


def test_members_are_pending_first_and_spread_over_the_zones(emulator, stage, fleet):
    emulator.freeze()
    emulator.laws(boot=3600)
    template = stage.template("web-r1", stage.image("web-1"))
    stage.group("web", 6, template)
    emulator.skip(seconds=1)
    assert [member["LifecycleState"] for member in fleet.members()] == ["Pending"] * 6
    emulator.skip(seconds=3601)
    members = fleet.settled(6)
    assert set(Counter(m["AvailabilityZone"] for m in members).values()) == {2}


def test_a_size_outside_the_bounds_is_refused(stage, fleet, refused):
    fleet.make(1, MinSize=1)
    size = stage.asg.set_desired_capacity
    said = refused("ValidationError", size, AutoScalingGroupName="web", DesiredCapacity=7)
    assert "7 is above max value 6" in said
    said = refused("ValidationError", size, AutoScalingGroupName="web", DesiredCapacity=0)
    assert "0 is below min value 1" in said


def test_bounds_that_move_past_the_size_take_it_along(stage, fleet):
    fleet.make(2)
    stage.asg.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=3)
    assert fleet.told()["DesiredCapacity"] == 3
    stage.asg.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, MaxSize=1)
    assert fleet.told()["DesiredCapacity"] == 1


def test_bounds_that_contradict_each_other_are_refused(stage, fleet, refused):
    fleet.make(1)
    change = stage.asg.update_auto_scaling_group
    refused("ValidationError", change, AutoScalingGroupName="web", MinSize=7)
    refused("ValidationError", change, AutoScalingGroupName="web", DesiredCapacity=9)


def test_lowered_sizes_pick_their_victims_themselves(stage, fleet):
    fleet.make(4)
    before = Counter(m["AvailabilityZone"] for m in fleet.members())
    fullest = before.most_common(1)[0][0]
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    after = Counter(m["AvailabilityZone"] for m in fleet.settled(3))
    assert after[fullest] == before[fullest] - 1


def test_termination_policies_choose_within_the_fullest_zone(stage, fleet):
    fleet.make(3, VPCZoneIdentifier=stage.subnets[0], TerminationPolicies=["NewestInstance"])
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    fleet.settled(4)
    newest = fleet.ids()[-1]
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    assert newest not in [member["InstanceId"] for member in fleet.settled(3)]


def test_who_is_protected_is_never_chosen(stage, fleet, until):
    fleet.make(2, NewInstancesProtectedFromScaleIn=True)
    assert all(member["ProtectedFromScaleIn"] for member in fleet.members())
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    assert len(fleet.settled(2)) == 2
    stage.asg.set_instance_protection(
        AutoScalingGroupName="web", InstanceIds=fleet.ids()[:1], ProtectedFromScaleIn=False
    )
    fleet.settled(1)


def test_members_tell_the_version_that_they_were_launched_from(stage, fleet):
    fleet.make(1)
    second = stage.image("web-2")
    template = fleet.template["LaunchTemplateId"]
    stage.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"ImageId": second}
    )
    stage.asg.update_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        DesiredCapacity=2,
    )
    told = {(m["LaunchTemplate"]["Version"], m["ImageId"]) for m in fleet.settled(2)}
    assert told == {("1", fleet.image), ("2", second)}
    assert fleet.told()["LaunchTemplate"]["Version"] == "$Latest"


def test_a_mixed_instances_policy_launches_its_first_override(stage, fleet):
    image = stage.image("web-1")
    template = stage.template("web-r1", image)
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template,
            "Overrides": [{"InstanceType": "t3.small"}, {"InstanceType": "t3.micro"}],
        }
    }
    stage.asg.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=1,
        MixedInstancesPolicy=policy,
        VPCZoneIdentifier=stage.subnets[0],
    )
    (member,) = fleet.settled(1)
    assert member["InstanceType"] == "t3.small"
    assert fleet.told()["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]


def test_names_templates_and_images_are_checked_at_creation(stage, fleet, refused):
    fleet.make(1)
    again = {"MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": stage.subnets[0]}
    make = stage.asg.create_auto_scaling_group
    refused(
        "AlreadyExists",
        make,
        AutoScalingGroupName="web",
        LaunchTemplate=fleet.template,
        **again,
    )
    nowhere = {"LaunchTemplateId": "lt-0123456789abcdef0", "Version": "1"}
    said = refused(
        "ValidationError", make, AutoScalingGroupName="x", LaunchTemplate=nowhere, **again
    )
    assert "does not exist" in said
    missing = stage.template("web-r2", "ami-0123456789abcdef0")
    refused("ValidationError", make, AutoScalingGroupName="x", LaunchTemplate=missing, **again)


def test_a_group_with_members_is_not_deleted(emulator, stage, fleet, refused, until):
    fleet.make(1, delay=300)
    delete = stage.asg.delete_auto_scaling_group
    refused("ResourceInUse", delete, AutoScalingGroupName="web")
    emulator.freeze()
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=0)
    emulator.skip(seconds=1)
    assert [member["LifecycleState"] for member in fleet.members()] == ["Terminating"]
    refused("ScalingActivityInProgress", delete, AutoScalingGroupName="web")
    emulator.skip(seconds=301)
    assert fleet.members() == []
    emulator.thaw()
    delete(AutoScalingGroupName="web")
    groups = stage.asg.describe_auto_scaling_groups
    until(lambda: groups()["AutoScalingGroups"], lambda found: not found)


def test_a_forced_deletion_takes_the_members_along(emulator, stage, fleet):
    ids = fleet.make(2).ids()
    emulator.freeze()
    emulator.laws(shutdown=60)
    stage.asg.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert fleet.told()["Status"] == "Delete in progress"
    emulator.skip(seconds=62)
    assert stage.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    told = stage.ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert {i["State"]["Name"] for r in told for i in r["Instances"]} == {"terminated"}


def test_tags_spread_to_what_is_launched_later(stage, fleet):
    tag = {"ResourceId": "web", "ResourceType": "auto-scaling-group", "Key": "fleet"}
    fleet.make(1, Tags=[{**tag, "Value": "web", "PropagateAtLaunch": True}])
    (old,) = fleet.ids()
    stage.asg.create_or_update_tags(Tags=[{**tag, "Value": "web2", "PropagateAtLaunch": True}])
    stage.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
    fleet.settled(2)
    told = stage.ec2.describe_instances(InstanceIds=fleet.ids())["Reservations"]
    tags = {
        i["InstanceId"]: {t["Key"]: t["Value"] for t in i["Tags"]}
        for r in told
        for i in r["Instances"]
    }
    assert tags.pop(old)["fleet"] == "web"
    assert next(iter(tags.values()))["fleet"] == "web2"
    filters = [{"Name": "tag:fleet", "Values": ["web2"]}]
    found = stage.asg.describe_auto_scaling_groups(Filters=filters)["AutoScalingGroups"]
    assert [group["AutoScalingGroupName"] for group in found] == ["web"]
    stage.asg.delete_tags(Tags=[tag])
    assert fleet.told()["Tags"] == []


def test_groups_come_in_pages(stage, fleet):
    fleet.make(1)
    for name in ("a", "b"):
        stage.group(name, 0, fleet.template)
    pages = stage.asg.get_paginator("describe_auto_scaling_groups").paginate(
        PaginationConfig={"PageSize": 2}
    )
    sizes = [len(page["AutoScalingGroups"]) for page in pages]
    assert sizes == [2, 1]


def test_weights_count_towards_the_size(stage, fleet):
    template = stage.template("web-r1", stage.image("web-1"))
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template,
            "Overrides": [{"InstanceType": "t3.small", "WeightedCapacity": "2"}],
        }
    }
    stage.asg.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=4,
        MixedInstancesPolicy=policy,
        VPCZoneIdentifier=stage.subnets[0],
    )
    members = fleet.settled(2)
    assert {member["WeightedCapacity"] for member in members} == {"2"}


def test_members_are_told_by_id_too(stage, fleet):
    (instance,) = fleet.make(1).ids()
    (told,) = stage.asg.describe_auto_scaling_instances(InstanceIds=[instance])[
        "AutoScalingInstances"
    ]
    assert told["AutoScalingGroupName"] == "web"
    assert (told["LifecycleState"], told["HealthStatus"]) == ("InService", "HEALTHY")
