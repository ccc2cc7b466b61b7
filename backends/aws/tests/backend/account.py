"""An account as users have it, and what may be different in it after a rollout."""

from __future__ import annotations

from collections import Counter

from attrs import evolve

from backends.aws.tests.backend.author import QUICK
from immutable_aws import AwsBackend
from immutable_aws.address import Place
from tests.emulators import adopted
from tests.emulators.adopted import LIMITS

__all__ = ["DOUBLE", "LIMITS", "ONE_BY_ONE", "Account", "marks", "without_marks"]

DOUBLE = evolve(LIMITS, max_surge="100%")
"""What strategies with weights need: the candidate comes up beside all of stable."""

ONE_BY_ONE = evolve(LIMITS, max_surge=0, max_unavailable=1)
"""What fleets with volumes need: nobody starts beside who has the slot."""


class Account(adopted.Account):
    """An adopted fleet ``web`` in three zones."""

    address = "aws://eu-west-1/web"

    def __init__(self, emulator, stage, monkeypatch):
        self.emulator, self.stage = emulator, stage
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        # Who answers from the start is never seen failing first: on a busy machine an emulated boot
        # is over between two looks, and such a member would pass for one that has fallen ill.
        emulator.laws(boot=0.2, answers=0, shutdown=0.1, scale=0.1)
        self.images = (stage.image("web-1"), stage.image("web-2"))
        self.pool = stage.target_group("web", delay=2) if stage.kind else ""

    def group(self, size, **fields):
        """Make the group ``web`` of somebody else, with policies, hooks, tags and a schedule."""
        template = self.stage.template(
            "web-theirs",
            self.images[0],
            TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": "team", "Value": "shop"}]}
            ],
        )
        pools = {"TargetGroupARNs": [self.pool], "HealthCheckType": "ELB"} if self.pool else {}
        given = {
            "MaxSize": size * 2,
            "MinSize": size // 2,
            "HealthCheckGracePeriod": 60,
            "Tags": [{"Key": "team", "Value": "shop", "PropagateAtLaunch": True}],
        }
        self.stage.group("web", size, template, **(pools | given | fields))
        asg = self.stage.asg
        asg.put_scaling_policy(
            AutoScalingGroupName="web",
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration={
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ASGAverageCPUUtilization"
                },
                "TargetValue": 50.0,
                "DisableScaleIn": False,
            },
        )
        asg.put_scheduled_update_group_action(
            AutoScalingGroupName="web",
            ScheduledActionName="morning",
            Recurrence="0 8 * * *",
            MinSize=size // 2,
        )
        asg.enable_metrics_collection(
            AutoScalingGroupName="web", Metrics=["GroupInServiceInstances"], Granularity="1Minute"
        )
        self.settle(size)

    def serving(self, group):
        """Return the members of a group in service; healthy, if it has a load balancer."""
        there = self.emulator.members(group=group)
        good = [each for each in there if each["lifecycle"] == "InService"]
        return [each for each in good if each["healthy"] or not self.pool]

    def backend(self, **capabilities):
        """Return a backend, not open, for the fleet ``web``."""
        able = evolve(QUICK, **capabilities)
        return AwsBackend(Place("eu-west-1"), fleet="web", capabilities=able, timeout=10.0)

    def zones(self, group):
        """Return how many live members a group has in each zone."""
        there = self.emulator.members(group=group)
        return Counter(e["zone"] for e in there if e["lifecycle"] == "InService")

    def everything(self):
        """Return all that there is, without our marks and without those that are on their way."""
        return without_marks(self.emulator.everything())


def without_marks(told):
    """Return a snapshot without the SDK's marks on what was there before."""
    for group in told["groups"].values():
        group["Tags"] = [t for t in group["Tags"] if not t["Key"].startswith("immutable:")]
    return told


def marks(told, group):
    """Return the SDK's marks on a group, without what is told of its image."""
    return {
        tag["Key"].removeprefix("immutable:"): tag["Value"]
        for tag in told["groups"][group]["Tags"]
        if tag["Key"].startswith("immutable:") and not tag["Key"].startswith("immutable:image")
    }
