"""Targets: healthy after a check, unused without a listener, draining, weights of a forward.

Documents: "Health checks for Application Load Balancer target groups"
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html);
TargetHealth, CreateTargetGroup, DeregisterTargets in the Elastic Load Balancing API Reference.
"""

from __future__ import annotations

import pytest


def listed(stage, arn, *ids):
    words = {"Targets": [{"Id": each} for each in ids]} if ids else {}
    told = stage.elb.describe_target_health(TargetGroupArn=arn, **words)
    return {
        line["Target"]["Id"]: (line["TargetHealth"]["State"], line["TargetHealth"].get("Reason"))
        for line in told["TargetHealthDescriptions"]
    }


def test_a_target_is_initial_until_its_first_check_succeeds(emulator, fleet):
    emulator.freeze()
    emulator.laws(check=3600)
    (instance,) = fleet.begin(1).ids()
    assert fleet.health()[instance] == {
        "State": "initial",
        "Reason": "Elb.InitialHealthChecking",
        "Description": "Initial health checks in progress",
    }
    emulator.skip(seconds=3601)
    assert fleet.health()[instance] == {"State": "healthy"}


def test_an_application_that_never_answers_becomes_unhealthy(emulator, fleet, until):
    emulator.fate(answers=None)
    (instance,) = fleet.make(1).ids()
    found = until(fleet.health, lambda found: found[instance]["State"] != "initial")
    assert found[instance]["State"] == "unhealthy"
    assert found[instance]["Reason"] == "Target.FailedHealthChecks"


def test_the_reason_of_failed_checks_is_the_tests_to_choose(emulator, fleet, until):
    (instance,) = fleet.make(1).ids()
    emulator.sicken(instance=instance, reason="Target.ResponseCodeMismatch")
    found = until(fleet.health, lambda found: found[instance]["State"] == "unhealthy")
    assert found[instance]["Reason"] == "Target.ResponseCodeMismatch"


def test_thresholds_count_for_turns(emulator, stage, fleet, until):
    (instance,) = fleet.make(1).ids()
    until(fleet.health, lambda found: found[instance]["State"] == "healthy")
    emulator.freeze()
    emulator.laws(check=30)
    stage.elb.modify_target_group(TargetGroupArn=fleet.arn, UnhealthyThresholdCount=3)
    emulator.sicken(instance=instance)
    emulator.skip(seconds=80)
    assert fleet.health()[instance]["State"] == "healthy"
    emulator.skip(seconds=11)
    assert fleet.health()[instance]["State"] == "unhealthy"
    emulator.heal(instance=instance)
    emulator.skip(seconds=140)
    assert fleet.health()[instance]["State"] == "unhealthy"
    emulator.skip(seconds=11)
    assert fleet.health()[instance]["State"] == "healthy"


def test_nobody_is_healthy_in_a_target_group_that_no_listener_uses(stage, fleet, until):
    fleet.make(1)
    alone = stage.target_group("alone", listen=False)
    (instance,) = fleet.ids()
    stage.elb.register_targets(TargetGroupArn=alone, Targets=[{"Id": instance}])
    assert listed(stage, alone)[instance] == ("unused", "Target.NotInUse")
    rule = {"TargetGroups": [{"TargetGroupArn": fleet.arn}, {"TargetGroupArn": alone, "Weight": 0}]}
    stage.elb.modify_listener(
        ListenerArn=stage.listener, DefaultActions=[{"Type": "forward", "ForwardConfig": rule}]
    )
    until(lambda: listed(stage, alone)[instance], lambda found: found[0] == "healthy")
    used = stage.elb.describe_target_groups(TargetGroupArns=[alone])["TargetGroups"][0]
    assert used["LoadBalancerArns"] == [stage.balancer]


def test_who_is_deregistered_drains_for_the_delay(emulator, stage, fleet):
    fleet.make(2, delay=20)
    emulator.freeze()
    first, second = fleet.ids()
    deregister = stage.elb.deregister_targets
    deregister(TargetGroupArn=fleet.arn, Targets=[{"Id": first}])
    assert listed(stage, fleet.arn)[first] == ("draining", "Target.DeregistrationInProgress")
    emulator.skip(seconds=21)
    assert set(listed(stage, fleet.arn)) == {second}
    assert listed(stage, fleet.arn, first)[first] == ("unused", "Target.NotRegistered")
    deregister(TargetGroupArn=fleet.arn, Targets=[{"Id": first}])


def test_only_running_instances_are_registered(emulator, stage, fleet, refused):
    fleet.make(1)
    emulator.laws(boot=3600)
    made = stage.ec2.run_instances(
        ImageId=fleet.image, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )
    pending = made["Instances"][0]["InstanceId"]
    register = stage.elb.register_targets
    for instance in (pending, "i-0123456789abcdef0"):
        refused("InvalidTarget", register, TargetGroupArn=fleet.arn, Targets=[{"Id": instance}])


def test_a_stopped_instance_is_unused(emulator, fleet, stage):
    (instance,) = fleet.make(1).ids()
    stage.asg.suspend_processes(AutoScalingGroupName="web")
    emulator.stop(instance=instance)
    assert listed(stage, fleet.arn)[instance] == ("unused", "Target.InvalidState")


def test_the_whole_table_of_weights_is_told_as_it_was_set(stage, fleet):
    fleet.make(1)
    other = stage.target_group("other", listen=False)
    table = [
        {"TargetGroupArn": fleet.arn, "Weight": 95},
        {"TargetGroupArn": other, "Weight": 5},
    ]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": table}}
    stage.elb.modify_listener(ListenerArn=stage.listener, DefaultActions=[action])
    told = stage.elb.describe_listeners(ListenerArns=[stage.listener])["Listeners"][0]
    assert told["DefaultActions"][0]["ForwardConfig"]["TargetGroups"] == table
    rule = stage.elb.create_rule(
        ListenerArn=stage.listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/x"]}],
        Actions=[action],
    )["Rules"][0]["RuleArn"]
    table[0]["Weight"], table[1]["Weight"] = 0, 100
    stage.elb.modify_rule(RuleArn=rule, Actions=[action])
    told = stage.elb.describe_rules(RuleArns=[rule])["Rules"][0]
    assert told["Actions"][0]["ForwardConfig"]["TargetGroups"] == table


@pytest.mark.parametrize(("count", "weight"), [(1, 1000), (6, 1)])
def test_tables_that_aws_refuses_are_refused(stage, fleet, refused, count, weight):
    fleet.make(0)
    arns = [stage.target_group(f"t{n}", listen=False) for n in range(count)]
    table = [{"TargetGroupArn": arn, "Weight": weight} for arn in arns]
    code = "ValidationError" if count == 1 else "TooManyUniqueTargetGroupsPerLoadBalancer"
    refused(
        code,
        stage.elb.modify_listener,
        ListenerArn=stage.listener,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": table}}],
    )


def test_target_groups_are_made_once_and_not_deleted_in_use(emulator, stage, fleet, refused):
    fleet.make(0)
    assert stage.target_group("web", listen=False) == fleet.arn
    make = {"Name": "web", "Protocol": "HTTP", "VpcId": stage.vpc}
    refused("DuplicateTargetGroupName", stage.elb.create_target_group, Port=81, **make)
    refused("ResourceInUse", stage.elb.delete_target_group, TargetGroupArn=fleet.arn)
    long = {**make, "Name": "w" * 33}
    refused("ValidationError", stage.elb.create_target_group, Port=80, **long)
    emulator.limit(name="target-groups", value=1)
    another = {**make, "Name": "another"}
    refused("TooManyTargetGroups", stage.elb.create_target_group, Port=80, **another)


def test_attached_to_a_group_members_are_registered_and_detached_they_drain(
    emulator, stage, fleet, until
):
    fleet.make(1)
    other = stage.target_group("other", 20, listen=False)
    rule = {"TargetGroups": [{"TargetGroupArn": fleet.arn}, {"TargetGroupArn": other}]}
    stage.elb.modify_listener(
        ListenerArn=stage.listener, DefaultActions=[{"Type": "forward", "ForwardConfig": rule}]
    )
    words = {"AutoScalingGroupName": "web", "TargetGroupARNs": [other]}

    def states():
        told = stage.asg.describe_load_balancer_target_groups(AutoScalingGroupName="web")
        return [
            (g["LoadBalancerTargetGroupARN"] == other, g["State"])
            for g in told["LoadBalancerTargetGroups"]
        ]

    stage.asg.attach_load_balancer_target_groups(**words)
    until(states, lambda found: found == [(False, "InService"), (True, "InService")])
    emulator.freeze()
    stage.asg.detach_load_balancer_target_groups(**words)
    assert states() == [(False, "InService"), (True, "Removing")]
    emulator.skip(seconds=21)
    assert states() == [(False, "InService")]
    assert listed(stage, other) == {}


def test_behind_a_network_load_balancer_it_is_the_same(emulator, until):
    from backends.aws.tests.emulator import Stage

    stage = Stage(emulator, "network")
    emulator.laws(boot=0.05)
    arn = stage.target_group("web")
    template = stage.template("web-r1", stage.image("web-1"))
    stage.group("web", 1, template, TargetGroupARNs=[arn])
    until(lambda: listed(stage, arn).values(), lambda found: list(found) == [("healthy", None)])


# -- quotas ----------------------------------------------------------------------------------------


def several(stage, count):
    return [stage.target_group(f"t{n}", listen=False) for n in range(count)]


def forward(*arns):
    table = [{"TargetGroupArn": arn, "Weight": 1} for arn in arns]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": table}}]


def test_what_elastic_load_balancing_allows_can_be_asked(emulator, stage):
    """DescribeAccountLimits."""
    emulator.limit(name="targets-per-target-group", value=7)
    told = {each["Name"]: each["Max"] for each in stage.elb.describe_account_limits()["Limits"]}
    assert told["targets-per-target-group"] == "7"
    assert told["target-groups-per-action-on-application-load-balancer"] == "5"


def test_a_load_balancer_uses_so_many_target_groups_each_counted_once(
    emulator, stage, fleet, refused
):
    """Quotas for your Application Load Balancers; ModifyListener."""
    fleet.make(0)
    first, second, third = several(stage, 3)
    emulator.limit(name="target-groups-per-application-load-balancer", value=3)
    stage.elb.modify_listener(ListenerArn=stage.listener, DefaultActions=forward(fleet.arn, first))
    path = {"Field": "path-pattern", "Values": ["/x"]}
    more = {"ListenerArn": stage.listener, "Conditions": [path]}
    rule = stage.elb.create_rule(Priority=1, Actions=forward(first, second), **more)["Rules"][0]
    code, arn = "TooManyUniqueTargetGroupsPerLoadBalancer", rule["RuleArn"]
    refused(code, stage.elb.create_rule, Priority=2, Actions=forward(third), **more)
    refused(code, stage.elb.modify_rule, RuleArn=arn, Actions=forward(second, third))
    stage.elb.modify_rule(RuleArn=arn, Actions=forward(third))


def test_a_target_group_and_its_load_balancer_have_room_for_so_many_targets(
    emulator, stage, fleet, refused
):
    """RegisterTargets: TooManyTargets."""
    fleet.make(2)
    (other,) = several(stage, 1)
    stage.elb.modify_listener(ListenerArn=stage.listener, DefaultActions=forward(fleet.arn, other))
    ids = fleet.ids()
    made = stage.ec2.run_instances(
        ImageId=fleet.image, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )
    third = made["Instances"][0]["InstanceId"]
    until_running = stage.ec2.get_waiter("instance_running")
    until_running.wait(InstanceIds=[third], WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def register(*names):
        targets = [{"Id": each} for each in names]
        return {"TargetGroupArn": other, "Targets": targets}

    emulator.limit(name="targets-per-application-load-balancer", value=2)
    stage.elb.register_targets(**register(*ids))  # The same two, which count once.
    refused("TooManyTargets", stage.elb.register_targets, **register(third))
    emulator.limit(name="targets-per-application-load-balancer", value=3)
    emulator.limit(name="targets-per-target-group", value=2)
    refused("TooManyTargets", stage.elb.register_targets, **register(third))
    emulator.limit(name="targets-per-target-group", value=3)
    stage.elb.register_targets(**register(third))


@pytest.mark.parametrize("across", [False, True])
def test_a_network_load_balancer_counts_a_target_for_each_target_group(emulator, refused, across):
    """Quotas for your Network Load Balancers: 3,000, 500 a zone, 500 in all across zones."""
    from backends.aws.tests.emulator import Stage

    stage = Stage(emulator, "network")
    emulator.laws(boot=0)
    first, second = stage.target_group("a"), stage.target_group("b", listen=False)
    stage.elb.create_listener(
        LoadBalancerArn=stage.balancer, Protocol="TCP", Port=81,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": second}],
    )  # fmt: skip
    (made,) = stage.ec2.run_instances(
        ImageId=stage.image("web-1"), InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"]
    targets = [{"Id": made["InstanceId"]}]
    per_zone = "targets-per-availability-zone-per-network-load-balancer"
    if across:
        name = "load_balancing.cross_zone.enabled"
        stage.elb.modify_load_balancer_attributes(
            LoadBalancerArn=stage.balancer, Attributes=[{"Key": name, "Value": "true"}]
        )
    emulator.limit(name=per_zone, value=1)
    stage.elb.register_targets(TargetGroupArn=first, Targets=targets)
    refused("TooManyTargets", stage.elb.register_targets, TargetGroupArn=second, Targets=targets)
    emulator.limit(name=per_zone, value=2)
    if not across:
        emulator.limit(name="targets-per-network-load-balancer", value=1)
        again = {"TargetGroupArn": second, "Targets": targets}
        refused("TooManyTargets", stage.elb.register_targets, **again)
        emulator.limit(name="targets-per-network-load-balancer", value=2)
    stage.elb.register_targets(TargetGroupArn=second, Targets=targets)
