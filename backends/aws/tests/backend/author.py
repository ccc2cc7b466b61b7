"""How the conformance suite gets at the emulated AWS, past the backend on it."""

from __future__ import annotations

import math
from typing import ClassVar

from immutable.backend import Capabilities, FleetURL, FrozenMap, Limits
from immutable_aws import AwsBackend
from immutable_aws.address import Place
from immutable_aws.traffic import STEP
from tests.emulators.authoring import EmulatorAuthor

QUICK = Capabilities(
    create_fleet=True,
    volumes=True,
    snapshots=True,
    weighted_traffic=True,
    weight_step=STEP,
    poll=0.05,
    staleness=0.0,
    late_effect=3.0,
    boot=0.5,
    drain=0.2,
    terminate=0.3,
    limits=Limits(min_ready=0, boot_timeout=20, drain_timeout=2, progress_deadline=30),
)
"""What the emulated account is like: everything is quick, and seen at once."""

SCALE = 0.1
"""A second that AWS is told is so long here: a drain of 2 s takes 0.2."""

POLICY = {
    "PolicyName": "cpu",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingConfiguration": {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    },
}

REQUESTS = {
    "grow": "autoscaling:SetDesiredCapacity",
    "retire": "autoscaling:TerminateInstanceInAutoScalingGroup",
    "hold": "autoscaling:CreateOrUpdateTags",
    "create_revision": "autoscaling:CreateAutoScalingGroup",
    "delete_revision": "autoscaling:DeleteAutoScalingGroup",
    "route": "elbv2:ModifyListener",
    "snapshot": "ec2:CreateSnapshot",
    "observe": "autoscaling:DescribeAutoScalingGroups",
}
"""The request of each call that does what it is for."""


class AwsAuthor(EmulatorAuthor):
    """What the author of this backend declares; `emulator` and `stage` are the fixtures."""

    url = "aws://eu-west-1/{fleet}"
    drain_timeout = 2.0
    missing = "ami-0123456789abcdef0"
    expected_failures: ClassVar = {
        "a_late_call_is_held_against_the_fence": (
            "AWS has no conditional requests: one that arrives late takes effect (README)"
        ),
    }
    # In one zone there is nothing to rebalance. In three its owner has stopped that: checks call
    # `retire` without a hold, and then AWS would launch and end further ones.
    zones = 1
    timeout = 10.0
    traffic = "auto"
    requests = REQUESTS
    first: ClassVar = {"create_revision": "autoscaling:CreateOrUpdateTags"}
    denied: ClassVar = {"code": "AccessDenied", "message": "no"}
    lost_page = "elbv2:DescribeTargetHealth"
    parted = "immutable_aws.retiring.AT_ONCE"

    def make(self, emulator, stage, monkeypatch):
        """Return a backend, with a pool, two images and a template on its cloud."""
        self.emulator, self.cloud, self.monkeypatch = emulator, stage, monkeypatch
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        emulator.laws(boot=0.1, answers=0.05, shutdown=0.05, scale=SCALE)
        self.images = (stage.image("web-1"), stage.image("web-2"))
        self.pool = stage.target_group("pool", delay=2) if stage.kind else ""
        pool = {"target_group": self.pool} if self.pool else {}
        profile = {"instance_profile": stage.profile("web")} if self.zones == 1 else {}
        subnets = ",".join(stage.subnets[: self.zones])
        self.template = FrozenMap(
            {"subnets": subnets, "instance_type": "t3.micro", **profile, **pool}
        )
        return self.second()

    def second(self):
        return AwsBackend(
            Place("eu-west-1", traffic=self.traffic), capabilities=QUICK, timeout=self.timeout
        )

    # -- what there really is ------------------------------------------------------------------

    def _truth(self, group):
        there = self.emulator.members(group=group)
        return [each for each in there if each["state"] != "terminated"]

    async def raw_members(self, fleet, revision):
        named = self.cloud.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[fleet])
        adopted = bool(named["AutoScalingGroups"]) and revision == 1
        group = fleet if adopted else f"{fleet}-r{revision}"
        return {each["id"] for each in self._truth(group)}

    async def raw_writers(self, fleet):
        filters = [{"Name": "tag:immutable:fleet", "Values": [fleet]}]
        found = {}
        for volume in self.cloud.ec2.describe_volumes(Filters=filters)["Volumes"]:
            tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", ())}
            if slot := tags.get("immutable:slot"):
                names = {each["InstanceId"] for each in volume["Attachments"]}
                found.setdefault(slot, set()).update(names)
        return found

    async def raw_lose_volume(self, fleet, slot, volume):
        names = {"fleet": fleet, "slot": slot, "volume": volume}
        filters = [{"Name": f"tag:immutable:{k}", "Values": [v]} for k, v in names.items()]
        (found,) = self.cloud.ec2.describe_volumes(Filters=filters)["Volumes"]
        self.cloud.ec2.delete_volume(VolumeId=found["VolumeId"])

    async def raw_serving(self, fleet):
        return {
            each["id"]
            for each in self.emulator.members()
            if each["group"] and each["group"].startswith(fleet) and each["healthy"]
        }

    async def raw_kept(self, fleet):
        found = self.cloud.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[fleet])
        groups = [each for each in found["AutoScalingGroups"] if not each.get("Status")]
        return groups[0]["DesiredCapacity"] if groups else None

    async def send(self, fleet, count):
        """What the load balancer's own tables would do with requests, evenly spread."""
        (rule,) = self.cloud.elb.describe_rules(ListenerArn=self.cloud.listener)["Rules"]
        forward = rule["Actions"][0]
        tuples = forward.get("ForwardConfig", {}).get("TargetGroups") or [
            {"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}
        ]
        total = sum(each["Weight"] for each in tuples)
        answered = {}
        for each in tuples:
            told = self.cloud.elb.describe_target_health(TargetGroupArn=each["TargetGroupArn"])
            healthy = sorted(
                target["Target"]["Id"]
                for target in told["TargetHealthDescriptions"]
                if target["TargetHealth"]["State"] == "healthy"
            )
            for turn in range(round(count * each["Weight"] / total)):
                name = healthy[turn % len(healthy)]
                answered[name] = answered.get(name, 0) + 1
        return answered

    # -- what others do ------------------------------------------------------------------------

    async def raw_resize(self, fleet, revision, size):
        self.emulator.resize(group=f"{fleet}-r{revision}", desired=size)

    async def make_fleet(self, backend, fleet, revision, size):
        name = await super().make_fleet(backend, fleet, revision, size)
        self.cloud.asg.put_scaling_policy(AutoScalingGroupName=f"{fleet}-r1", **POLICY)
        if self.zones > 1:
            self.cloud.asg.suspend_processes(
                AutoScalingGroupName=f"{fleet}-r1", ScalingProcesses=["AZRebalance"]
            )
        return name

    async def raw_scale_in(self, fleet, revision):
        group = f"{fleet}-r{revision}"
        found = self.cloud.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        size = found["AutoScalingGroups"][0]["DesiredCapacity"]
        self.emulator.alarm(group=group, policy="cpu", desired=size - 1)

    async def raw_protect(self, fleet, instance):
        (group,) = {e["group"] for e in self.emulator.members() if e["id"] == instance}
        self.cloud.asg.set_instance_protection(
            InstanceIds=[instance], AutoScalingGroupName=group, ProtectedFromScaleIn=True
        )

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        sizes = {"MaxSize": maximum} if maximum is not None else {}
        self.cloud.asg.update_auto_scaling_group(
            AutoScalingGroupName=f"{fleet}-r{revision}", MinSize=minimum, **sizes
        )

    async def raw_scaling(self, fleet, revision):
        self.cloud.asg.put_scheduled_update_group_action(
            AutoScalingGroupName=f"{fleet}-r{revision}",
            ScheduledActionName="morning",
            Recurrence="0 8 * * *",
            MinSize=1,
        )

    async def raw_foreign_group(self, name, size):
        template = self.cloud.template(f"{name}-theirs", self.images[0])
        pools = {"TargetGroupARNs": [self.pool]} if self.pool else {}
        self.cloud.group(name, size, template, **pools)
        await self.there(name, size)

    # -- what goes wrong -----------------------------------------------------------------------

    async def no_room(self, fleet, full):
        for zone in self.cloud.zones:
            there = [e for e in self.emulator.members() if e["zone"] == zone]
            live = [e for e in there if e["state"] not in ("terminated", "shutting-down")]
            self.emulator.capacity(zone=zone, instances=len(live) if full else None)

    async def slow_drains(self, fleet, seconds):
        delay = str(min(3599, math.ceil(seconds / SCALE)))
        for each in self.cloud.elb.describe_target_groups()["TargetGroups"]:
            self.cloud.elb.modify_target_group_attributes(
                TargetGroupArn=each["TargetGroupArn"],
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": delay}],
            )


def at(name):
    """Return the address of a fleet."""
    return FleetURL.parse(f"aws://eu-west-1/{name}")
