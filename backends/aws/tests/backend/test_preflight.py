"""What would stop a plan is found before anything is touched, all of it at once."""

from __future__ import annotations

import asyncio
import math

import pytest
from attrs import evolve

from backends.aws.tests.backend.account import DOUBLE, LIMITS, Account
from backends.aws.tests.emulator import Stage
from immutable import Canary, Fleet, PlanRefused, Rolling
from immutable.backend import Denied, Gone, Invalid
from immutable.errors import InvalidValue, MetricError
from immutable_aws import AwsBackend
from immutable_aws.address import Place
from immutable_aws.marks import LAST
from immutable_aws.metrics import CloudWatchSource
from tests.emulators.waiting import eventually, until


def problems(account, image=None, strategy=None, limits=LIMITS, **options):
    """What a plan is refused for."""

    async def go():
        async with account.fleet(**options) as fleet:
            before = account.emulator.everything()
            with pytest.raises(PlanRefused) as caught:
                await fleet.plan(image or account.images[1], strategy or Rolling(), limits=limits)
            assert account.emulator.everything() == before
            return caught.value.problems

    found = asyncio.run(go())
    assert all(each.way_out for each in found)
    return [each.what for each in found]


def test_many_problems_are_told_at_once(account):
    account.group(4)
    stage, emulator = account.stage, account.emulator
    arm = stage.image("web-arm", Architecture="arm64")
    stage.asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    stage.asg.enter_standby(
        AutoScalingGroupName="web",
        InstanceIds=[emulator.members(group="web")[0]["id"]],
        ShouldDecrementDesiredCapacity=True,
    )
    # Who stands by drains first; what is compared below is to change by nothing but the plan.
    until(lambda: "draining" not in emulator.everything()["target_groups"]["web"]["targets"])
    stage.template("web-r2", account.images[0])
    emulator.quota(code="L-1216C47A", value=2)
    emulator.limit(name="targets-per-target-group", value=4)
    emulator.deny(actions=["ec2:CreateLaunchTemplate", "autoscaling:SetDesiredCapacity"])
    limits = evolve(LIMITS, drain_timeout=60)
    told = "\n".join(problems(account, arm, limits=limits))
    for part in (
        "is for arm64",
        "suspended Launch",
        "in standby",
        "launch template web-r2",
        "vCPUs",
        "cuts requests off after 2 s",
        "4 are allowed (targets-per-target-group)",
        "CreateLaunchTemplate",
        "autoscaling:SetDesiredCapacity",
    ):
        assert part in told, part


def test_images_that_are_not_there(account):
    account.group(2)
    image = account.stage.image("web-gone")

    async def go():
        async with account.fleet() as fleet:
            plan = await fleet.plan(image, Rolling(), limits=LIMITS)
            for each in (image, account.images[0]):
                account.stage.ec2.deregister_image(ImageId=each)
            return await fleet.backend.preflight("web", plan)

    told = [str(each) for each in asyncio.run(go())]
    assert any(f"the image {image} is not there" in each for each in told)
    assert any(f"way back {account.images[0]}" in each for each in told)


def test_a_pool_on_no_listener_is_never_healthy(account):
    account.group(2)
    account.stage.elb.delete_listener(ListenerArn=account.stage.listener)
    told = problems(account)
    assert any("no listener forwards" in each for each in told)


def test_weights_that_the_load_balancer_can_not_give(account):
    account.group(2)
    second = account.stage.target_group("second", delay=2, listen=False)
    account.stage.asg.attach_load_balancer_target_groups(
        AutoScalingGroupName="web", TargetGroupARNs=[second]
    )

    async def go():
        backend = AwsBackend(Place("eu-west-1", traffic="weights"), fleet="web")
        await backend.open()
        await backend.adopt_fleet("web", delete_when_replaced=False)
        address = "aws://eu-west-1/web"
        async with Fleet.connect(address, backend=backend, journal=":memory:") as fleet:
            with pytest.raises(PlanRefused) as caught:
                await fleet.plan(
                    account.images[1], Canary(stages=("50%", "100%"), bake=1), limits=DOUBLE
                )
        await backend.close()
        return str(caught.value)

    assert "2 target groups, weights need one" in asyncio.run(go())


def test_a_template_that_means_something_else_by_now(account):
    account.group(2)
    (template,) = account.stage.ec2.describe_launch_templates()["LaunchTemplates"]
    name = template["LaunchTemplateId"]
    account.stage.asg.update_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateId": name, "Version": "$Latest"},
    )

    async def adopt():
        async with account.fleet():
            pass

    asyncio.run(adopt())
    account.stage.ec2.create_launch_template_version(
        LaunchTemplateId=name,
        LaunchTemplateData={"ImageId": account.images[1], "InstanceType": "t3.micro"},
    )
    third = account.stage.image("web-3")
    told = problems(account, third, adopt=False)
    assert any("another image by now" in each for each in told)


def test_more_servers_than_the_maximum(account):
    account.group(2)

    async def go():
        async with account.fleet() as fleet:
            plan = await fleet.plan(account.images[1], Rolling(), limits=LIMITS)
            bounds = evolve(plan.bounds, wanted=9, ceiling=10)
            return await fleet.backend.preflight("web", evolve(plan, bounds=bounds))

    (problem,) = asyncio.run(go())
    assert "the maximum of web is 4" in problem.what


# -- quotas of load balancing ----------------------------------------------------------------------


def test_a_target_group_more_may_be_one_too_many_for_each_that_holds_it(account):
    account.group(4)
    needed = {
        "target-groups": 2,
        "target-groups-per-application-load-balancer": 2,
        "target-groups-per-action-on-application-load-balancer": 2,
        "targets-per-target-group": 4,
        "targets-per-application-load-balancer": 8,
    }
    canary = Canary(stages=("50%", "100%"), bake=1)
    for name, count in needed.items():
        account.emulator.limit(name=name, value=count - 1)
    told = problems(account, strategy=canary, limits=DOUBLE)
    assert len(told) == len(needed)
    assert any(each.startswith("targets of target group web-r2: 4") for each in told)
    for name, count in needed.items():
        assert any(f": {count}, {count - 1} are allowed ({name})" in each for each in told), name
        account.emulator.limit(name=name, value=count)
    planned(account, canary, DOUBLE)


def planned(account, strategy, limits=LIMITS):
    """Plan a rollout that nothing stands against."""

    async def go():
        async with account.fleet() as fleet:
            return await fleet.plan(account.images[1], strategy, limits=limits)

    return asyncio.run(go())


def test_targets_of_others_take_room_too(account):
    account.group(4)
    stage, emulator = account.stage, account.emulator
    (made,) = stage.ec2.run_instances(
        ImageId=account.images[0], InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"]
    emulator.skip(seconds=1)
    stage.elb.register_targets(TargetGroupArn=account.pool, Targets=[{"Id": made["InstanceId"]}])
    emulator.limit(name="targets-per-target-group", value=5)
    (told,) = problems(account)
    assert told == "targets of target group web: 6, 5 are allowed (targets-per-target-group)"
    emulator.limit(name="targets-per-target-group", value=6)
    planned(account, Rolling())


@pytest.mark.parametrize("across", [False, True])
def test_a_network_load_balancers_zones_have_room_for_so_many(emulator, monkeypatch, across):
    account = Account(emulator, Stage(emulator, "network"), monkeypatch)
    account.group(4)
    if across:
        attribute = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
        account.stage.elb.modify_load_balancer_attributes(
            LoadBalancerArn=account.stage.balancer, Attributes=[attribute]
        )
    needed = 5 if across else 2  # Of five in three zones.
    name = "targets-per-availability-zone-per-network-load-balancer"
    emulator.limit(name=name, value=needed - 1)
    (told,) = problems(account)
    assert f": {needed}, {needed - 1} are allowed ({name})" in told
    emulator.limit(name=name, value=needed)
    planned(account, Rolling())


def test_who_may_not_ask_for_quotas_is_told_that_defaults_were_assumed(account):
    account.group(2, MaxSize=2000)
    account.emulator.limit(name="targets-per-target-group", value=9999)
    account.emulator.deny(actions=["elbv2:DescribeAccountLimits"])

    async def go():
        async with account.fleet() as fleet:
            plan = await fleet.plan(account.images[1], Rolling(), limits=LIMITS)
            bounds = evolve(plan.bounds, ceiling=1001)
            return await fleet.backend.preflight("web", evolve(plan, bounds=bounds))

    told = "\n".join(str(each) for each in asyncio.run(go()))
    assert "targets of target group web: 1001, 1000 are allowed" in told
    assert "(targets-per-target-group; AWS's default, this account's can't be asked for)" in told


# -- what can't be adopted -------------------------------------------------------------------------


def adopt(account, name="web"):
    async def go():
        backend = account.backend()
        await backend.open()
        try:
            await backend.adopt_fleet(name, delete_when_replaced=False)
        finally:
            await backend.close()

    asyncio.run(go())


def test_adopting_again_changes_what_becomes_of_a_group_and_nothing_else(account):
    account.group(2)

    async def go():
        backend = account.backend()
        await backend.open()
        await backend.adopt_fleet("web", delete_when_replaced=False)
        tag = {"ResourceId": "web", "ResourceType": "auto-scaling-group"}
        account.stage.asg.create_or_update_tags(
            Tags=[{**tag, "Key": LAST, "Value": "5/r-1", "PropagateAtLaunch": False}]
        )
        before = (await backend._eyes.named("web")).tags
        await backend.adopt_fleet("web", delete_when_replaced=True)
        after = (await backend._eyes.named("web")).tags
        await backend.close()
        return before, after

    before, after = asyncio.run(go())
    assert after == {**before, "immutable:origin": "adopted-delete"}
    assert before[LAST] == "5/r-1"


def test_what_can_not_be_managed_is_refused_with_the_way_out(account):
    stage = account.stage
    template = stage.template("theirs", account.images[0])
    overrides = [
        {"InstanceType": "t3.micro", "WeightedCapacity": "2"},
        {"InstanceType": "t3.small", "LaunchTemplateSpecification": template},
    ]
    stage.asg.create_auto_scaling_group(
        AutoScalingGroupName="mixed",
        MinSize=0,
        MaxSize=1,
        VPCZoneIdentifier=stage.subnets[0],
        MixedInstancesPolicy={
            "LaunchTemplate": {"LaunchTemplateSpecification": template, "Overrides": overrides}
        },
    )
    with pytest.raises(Invalid) as caught:
        adopt(account, "mixed")
    assert "several launch templates" in str(caught.value)
    assert "not counted in servers" in str(caught.value)
    with pytest.raises(Gone):
        adopt(account, "nothing")


def test_a_warm_pool_is_refused(account):
    account.group(1)
    account.stage.asg.put_warm_pool(AutoScalingGroupName="web")
    with pytest.raises(Invalid, match="warm pool"):
        adopt(account)


def test_an_image_by_parameter_is_refused(account):
    account.emulator.publish(name="/aws/service/web", value=account.images[0])
    template = account.stage.template("ssm", "resolve:ssm:/aws/service/web")
    account.stage.group("web", 0, template)
    with pytest.raises(Invalid, match="names an AMI"):
        adopt(account)


# -- images and credentials ------------------------------------------------------------------------


def resolved(account, reference):
    async def go():
        backend = account.backend()
        await backend.open()
        try:
            return await backend.resolve(reference)
        finally:
            await backend.close()

    return asyncio.run(go())


def test_a_parameter_is_read_once_and_pinned(account):
    name = "/aws/service/web/latest"
    account.emulator.publish(name=name, value=account.images[0])
    first = resolved(account, name)
    assert first.artifact == account.images[0]
    account.emulator.publish(name=name, value=account.images[1])
    assert resolved(account, first.artifact) == first
    assert resolved(account, f"ssm:{name}").artifact == account.images[1]
    assert resolved(account, "web-1") == first


@pytest.mark.parametrize("reference", ["/no/such", "no-such-name", "ami-0123456789abcdef0"])
def test_what_is_not_there_is_said_with_what_is(account, reference):
    with pytest.raises(Invalid) as caught:
        resolved(account, reference)
    assert "web-2" in str(caught.value) or "/aws/service/" in str(caught.value)


def test_an_image_that_is_not_available_can_not_be_launched(account):
    account.emulator.image(id=account.images[1], state="pending")
    with pytest.raises(Invalid, match="is pending"):
        resolved(account, account.images[1])


def test_the_credentials_must_be_of_the_account_that_is_named(account):
    async def go():
        backend = AwsBackend(Place("eu-west-1", account="999999999999"))
        try:
            await backend.open()
        finally:
            await backend.close()

    with pytest.raises(Denied, match="999999999999"):
        asyncio.run(go())


def test_a_role_is_assumed(account):
    account.group(1)

    async def go():
        role = "arn:aws:iam::123456789012:role/deploy"
        backend = AwsBackend(Place("eu-west-1", role=role), fleet="web")
        await backend.open()
        await backend.close()

    asyncio.run(go())
    assert account.emulator.calls()["sts:AssumeRole"] == 1


def test_no_way_and_no_credentials_are_told_apart(account, monkeypatch):
    async def opened(**place):
        backend = AwsBackend(Place("eu-west-1", **place))
        try:
            await backend.open()
        finally:
            await backend.close()

    from immutable.backend import Transient

    with pytest.raises(Transient):
        asyncio.run(opened(endpoint="http://127.0.0.1:9"))
    with pytest.raises(Denied):
        asyncio.run(opened(profile="nobody"))


# -- figures ---------------------------------------------------------------------------------------


def test_cloudwatch_tells_revisions_apart(account):
    account.group(2)
    emulator = account.emulator

    async def go():
        async with account.fleet() as fleet:
            source = CloudWatchSource.from_address("eu-west-1")
            with pytest.raises(MetricError, match="don't have a target group"):
                await source.read("web", (1, 2))
            with pytest.raises(MetricError, match="no data"):
                await source.read("web", (1,))
            rollout = fleet.replace(
                account.images[1], Canary(stages=("50%", "100%"), bake=600), limits=DOUBLE
            )
            running = asyncio.ensure_future(rollout.end())
            await eventually(fleet.state, lambda state: len(state.groups) == 2)
            _count(account)
            reading = await source.read("web", (1, 2))
            await rollout.abort()
            await running
            await source.close()
            return reading

    reading = asyncio.run(go())
    assert reading.revisions[1]["all"].requests == 3
    two = reading.revisions[2]["all"]
    assert (two.requests, two.errors) == (5, 2)
    assert sum(two.latency) == 4
    assert two.latency[0] == 1
    assert len(two.latency) == len(reading.bounds) + 1
    assert not math.isnan(sum(reading.bounds))
    assert emulator.calls()["cloudwatch:GetMetricData"] >= 2


def _count(account):
    """Let the load balancer have counted something for each pool."""
    elb, emulator = account.stage.elb, account.emulator
    told = {
        each["TargetGroupName"]: each["TargetGroupArn"].rpartition(":")[2]
        for each in elb.describe_target_groups()["TargetGroups"]
    }
    balancer = account.stage.balancer.partition(":loadbalancer/")[2]
    for pool, figures in (
        ("web", {"HTTPCode_Target_2XX_Count": [3]}),
        (
            "web-r2",
            {
                "HTTPCode_Target_2XX_Count": [3],
                "HTTPCode_Target_5XX_Count": [1],
                "TargetConnectionErrorCount": [1],
                "TargetResponseTime": [0.05, 0.2, 0.3, 20.0],
            },
        ),
    ):
        for name, values in figures.items():
            emulator.metric(
                namespace="AWS/ApplicationELB",
                name=name,
                dimensions={"LoadBalancer": balancer, "TargetGroup": told[pool]},
                values=values,
            )


@pytest.mark.parametrize("address", ["", "nowhere", "eu-west-1?colour=red"])
def test_an_address_of_figures_that_makes_no_sense_is_refused(address):
    with pytest.raises(InvalidValue):
        CloudWatchSource.from_address(address)
