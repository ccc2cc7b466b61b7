"""The IAM policy is made of the requests that are really made, feature by feature.

Each feature is used from end to end and every request is noted. One that the table doesn't have
fails its test, and one of the table that nobody makes does too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.aws.tests.backend.account import DOUBLE, LIMITS, ONE_BY_ONE
from backends.aws.tests.backend.guests import Guests
from backends.aws.tests.backend.leavings import leave
from backends.aws.tests.backend.ledger import Ledger
from backends.aws.tests.emulator import Stage
from immutable import Canary, RolledBack, Rolling
from immutable.backend import Context, Image, Limits, Revision
from immutable.builders import Traces
from immutable_aws import AwsBackend
from immutable_aws.address import Place
from immutable_aws.metrics import CloudWatchSource
from immutable_aws.permissions import FEATURES, IMPLIED, action, document, policy


class Notes:
    """Every request that was made through noted backends."""

    def __init__(self):
        self.actions = set()

    def of(self, made):
        self.actions |= {action(service, call) for service, call in made}


@pytest.fixture
def notes():
    return Notes()


async def look(account, notes):
    account.group(2)
    async with account.fleet() as fleet:
        backend = fleet.backend
        backend.calls.made.clear()
        await backend.fleets()
        await fleet.state()
        account.emulator.capacity(zone="eu-west-1a", instances=0)
        account.emulator.capacity(zone="eu-west-1b", instances=0)
        account.emulator.capacity(zone="eu-west-1c", instances=0)
        await backend.grow("web", 1, 3, expected=2, ctx=Context("r", "p", 1, "t", 60))
        del backend.calls.made["autoscaling", "SetDesiredCapacity"]
        for _ in range(3):
            await asyncio.sleep(0.1)
            await fleet.state()
        notes.of(backend.calls.made)


async def look_without_balancer(account, notes):
    account.pool = ""
    account.group(2)
    async with account.fleet() as fleet:
        fleet.backend.calls.made.clear()
        await fleet.state()
        notes.of(fleet.backend.calls.made)


async def replace(account, notes):
    """There, with a shortage on the way, and back; with what sweeps, settles and cuts drains."""
    account.group(4)
    account.stage.asg.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="step",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1}],
    )
    async with account.fleet() as fleet:
        backend = fleet.backend
        backend.calls.made.clear()
        bad = account.stage.image("web-bad")
        account.emulator.fate(image=bad, boot=None)
        short = Limits(max_surge=1, min_ready=0, boot_timeout=1, drain_timeout=1, max_failures=1)
        for each in account.stage.elb.describe_target_groups()["TargetGroups"]:
            account.stage.elb.modify_target_group_attributes(
                TargetGroupArn=each["TargetGroupArn"],
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}],
            )
        with pytest.raises(RolledBack):
            await fleet.replace(bad, Rolling(), limits=short)
        cut = Limits(max_surge=1, min_ready=0, boot_timeout=30, drain_timeout=1)
        await fleet.replace(account.images[1], Rolling(), limits=cut)
        await fleet.replace(account.images[0], Rolling(), limits=cut)
        ctx = Context("r", "p", 1, "t", 60)
        await backend.hold("web", 4, 1.0, ctx)
        for zone in account.stage.zones:
            account.emulator.capacity(zone=zone, instances=0)
        await backend.grow("web", 4, 5, expected=4, ctx=ctx)
        await backend.settle("web", 4, ctx)
        notes.of(backend.calls.made)


async def weights(account, notes):
    account.group(2)
    async with account.fleet() as fleet:
        fleet.backend.calls.made.clear()
        await fleet.replace(
            account.images[1], Canary(stages=("50%", "100%"), bake=0.5), limits=DOUBLE
        )
        third = account.stage.image("web-3")
        _move_to_a_rule(account)
        await fleet.replace(third, Canary(stages=("50%", "100%"), bake=0.5), limits=DOUBLE)
        notes.of(fleet.backend.calls.made)


async def replace_behind_a_network_load_balancer(account, notes):
    account.emulator.reset()
    account = type(account)(account.emulator, Stage(account.emulator, "network"), _Kept())
    account.group(2)
    async with account.fleet() as fleet:
        fleet.backend.calls.made.clear()
        await fleet.plan(account.images[1], Rolling())
        notes.of(fleet.backend.calls.made)


def _move_to_a_rule(account):
    """Let a path of the listener be the fleet's, and its default rule nobody's."""
    elb = account.stage.elb
    forward = {"Type": "forward", "TargetGroupArn": _target_group(account, "web-r2")}
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}}
    elb.create_rule(
        ListenerArn=account.stage.listener, Priority=7, Conditions=[condition], Actions=[forward]
    )
    nobody = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    elb.modify_listener(ListenerArn=account.stage.listener, DefaultActions=[nobody])


def _target_group(account, name):
    (found,) = account.stage.elb.describe_target_groups(Names=[name])["TargetGroups"]
    return found["TargetGroupArn"]


async def extras(account, notes):
    account.group(2)
    step = account.stage.asg.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="up",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    )
    account.emulator.client("cloudwatch").put_metric_alarm(
        AlarmName="busy", AlarmActions=[step["PolicyARN"]], MetricName="CPUUtilization",
        Namespace="AWS/EC2", Statistic="Average", Period=60, EvaluationPeriods=1, Threshold=70.0,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    account.stage.asg.put_notification_configuration(
        AutoScalingGroupName="web",
        TopicARN="arn:aws:sns:eu-west-1:123456789012:all",
        NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH"],
    )
    async with account.fleet() as fleet:
        fleet.backend.calls.made.clear()
        await fleet.replace(account.images[1], Rolling(), limits=LIMITS)
        notes.of(fleet.backend.calls.made)


async def adopt(account, notes):
    account.group(1)
    async with account.fleet() as fleet:
        notes.of(fleet.backend.calls.made)


async def create(account, notes):
    backend = account.backend()
    await backend.open()
    revision = Revision(
        1,
        Image.of_artifact("aws", account.images[0]),
        template={"subnets": ",".join(account.stage.subnets), "instance_type": "t3.micro"},
    )
    await backend.create_fleet("web", revision)
    await backend.delete_fleet("web")
    notes.of(backend.calls.made)
    await backend.close()


async def images(account, notes):
    account.emulator.publish(name="/aws/service/web/latest", value=account.images[0])
    backend = account.backend()
    await backend.open()
    backend.calls.made.clear()
    for reference in ("/aws/service/web/latest", "web-1", account.images[1]):
        await backend.resolve(reference)
    notes.of(backend.calls.made)
    await backend.close()


async def drift(account, notes):
    account.group(1)
    async with account.fleet() as fleet:
        fleet.backend.calls.made.clear()
        await fleet.backend.inspect("web")
        notes.of(fleet.backend.calls.made)


async def account_check(account, notes):
    account.group(1)
    backend = AwsBackend(Place("eu-west-1", account="123456789012"))
    await backend.open()
    notes.of(backend.calls.made)
    await backend.close()


async def metrics(account, notes):
    account.group(1)
    async with account.fleet():
        source = CloudWatchSource.from_address("eu-west-1")
        with pytest.raises(Exception, match="no data"):
            await source.read("web", (1,))
        notes.of(source._calls.made)
        await source.close()


async def baking(account, notes):
    left = leave(account.emulator, "b1")
    backend = AwsBackend(Place("eu-west-1"))
    await backend.open()
    await backend.baked("b1")
    assert await backend.remove_bake(Traces("b1", left.names, 1, 1))
    notes.of(backend.calls.made)
    await backend.close()


async def withdraw(account, notes):
    backend = account.backend()
    await backend.open()
    backend.calls.made.clear()
    for launchable in (True, False):
        await backend.withdraw_image(account.images[0], launchable=launchable)
    await backend.restore_image(account.images[0])
    notes.of(backend.calls.made)
    await backend.close()


async def volumes(account, notes):
    ledger = Ledger(account)
    ctx = Context("r", "p", 1, "t", 60)
    with Guests(account.emulator):
        async with ledger.fleet(1) as fleet:
            notes.of(fleet.backend.calls.made)
            fleet.backend.calls.made.clear()
            await fleet.replace(account.images[1], limits=ONE_BY_ONE)
            await fleet.scale(0)
            await fleet.backend.snapshot("db", "0", ctx)
            await fleet.delete()
            await fleet.backend.remove_slots("db", ("0",))
            notes.of(fleet.backend.calls.made)


async def members(account, notes):
    """What the program on the instances asks for, all else left out."""
    ledger = Ledger(account)
    with Guests(account.emulator) as guests:
        async with ledger.fleet(1):
            notes.of(guests.made)


USES = {
    "baking": (baking,),
    "look": (look, look_without_balancer),
    "replace": (replace, replace_behind_a_network_load_balancer),
    "weights": (weights,),
    "extras": (extras,),
    "adopt": (adopt,),
    "create": (create,),
    "images": (images,),
    "drift": (drift,),
    "withdraw": (withdraw,),
    "volumes": (volumes,),
    "members": (members,),
    "account": (account_check,),
    "metrics": (metrics,),
}


def needed_beside(feature):
    """What a feature is used with: looking, and whatever replaces."""
    base = set(FEATURES["look"]) if feature != "look" else set()
    if feature == "volumes":
        return base | set(FEATURES["replace"]) | set(FEATURES["create"]) | set(FEATURES["images"])
    return base | (set(FEATURES["replace"]) if feature in ("weights", "extras") else set())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("feature", USES)
def test_a_feature_makes_exactly_the_requests_of_its_table(account, notes, feature):
    for use in USES[feature]:
        account.emulator.reset()
        account = type(account)(account.emulator, type(account.stage)(account.emulator), _Kept())
        asyncio.run(use(account, notes))
    beside = needed_beside(feature)
    missing = sorted(notes.actions - set(FEATURES[feature]) - beside)
    assert not missing, f"no permission in FEATURES[{feature!r}]: {' '.join(missing)}"
    unused = sorted(set(FEATURES[feature]) - notes.actions)
    assert not unused, f"nothing needs what FEATURES[{feature!r}] has: {' '.join(unused)}"


class _Kept:
    def setenv(self, name, value):
        """The environment is set already."""


def test_every_feature_is_used():
    assert USES.keys() == FEATURES.keys()


def test_a_policy_has_its_features_and_what_aws_asks_for_beside():
    made = policy(["look", "images"])
    (statement,) = made["Statement"]
    assert set(statement["Action"]) == {*FEATURES["look"], *FEATURES["images"], *IMPLIED}


def test_the_documentation_is_made_of_the_table():
    page = Path(__file__).parents[4] / "docs" / "aws-iam.md"
    assert page.read_text() == document(), (
        "make it again: print(immutable_aws.permissions.document(), end='') into docs/aws-iam.md"
    )
