"""Waiting for what has to come, and the usual fleet."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.emulators import waiting


@pytest.fixture
def until():
    """Wait until something is so."""
    return waiting.until


@pytest.fixture
def fleet(emulator, stage):
    """Make a group `web`, in service, behind a target group; `fleet.arn`, `fleet.image`, …"""

    class Fleet:
        def make(self, size=3, delay=0, **fields):
            """Make it, and wait until it is in service."""
            self._order(size, delay, fields)
            self.settled(size)
            return self

        def begin(self, size=3, delay=0, **fields):
            """Make it while time stands still: a second of it."""
            self._order(size, delay, fields)
            emulator.skip(seconds=1)
            return self

        def _order(self, size, delay, fields):
            emulator.laws(boot=0.05, answers=0.02, shutdown=0.05)
            self.image = stage.image("web-1")
            self.template = stage.template("web-r1", self.image)
            self.arn = stage.target_group("web", delay)
            stage.group("web", size, self.template, TargetGroupARNs=[self.arn], **fields)

        def settled(self, size):
            return waiting.until(
                self.members,
                lambda found: [m["LifecycleState"] for m in found] == ["InService"] * size,
            )

        def told(self):
            return stage.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])[
                "AutoScalingGroups"
            ][0]

        def members(self):
            return self.told()["Instances"]

        def ids(self):
            return [member["InstanceId"] for member in self.members()]

        def health(self):
            told = stage.elb.describe_target_health(TargetGroupArn=self.arn)
            return {
                line["Target"]["Id"]: line["TargetHealth"]
                for line in told["TargetHealthDescriptions"]
            }

        def activities(self):
            return stage.asg.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]

    return Fleet()


@pytest.fixture
def refused():
    """The message of a call's refusal, which must have this code, and this status."""

    def check(code, call, status=400, **words):
        with pytest.raises(ClientError) as caught:
            call(**words)
        answer = caught.value.response
        assert answer["Error"]["Code"] == code, answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        return answer["Error"]["Message"]

    return check
