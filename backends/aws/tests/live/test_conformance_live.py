"""The conformance suite on a real account; see README.md beside. Skipped unless it is asked for."""

from __future__ import annotations

import os

import pytest

from backends.aws.tests.live.janitor import sweep
from immutable.backend import FrozenMap
from immutable.testing import BackendConformance
from immutable_aws import AwsBackend
from immutable_aws.address import Place

LIVE = os.environ.get("IMMUTABLE_LIVE_AWS") == "1"

pytestmark = [
    pytest.mark.skipif(not LIVE, reason="IMMUTABLE_LIVE_AWS=1 runs it on a real account"),
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]


class TestLive(BackendConformance):
    url = "aws://eu-west-1/{fleet}"
    release = "0.1"
    drain_timeout = 5.0
    short = 60.0
    missing = "ami-0123456789abcdef0"

    @pytest.fixture
    def backend(self, request):
        import boto3

        # A member attaches its volumes itself, and these images have nothing that does.
        if any(word in request.node.name for word in ("slot", "volume", "snapshot", "stateful")):
            pytest.skip("the images don't run immutable-aws-slot")

        given = {
            name: os.environ[f"IMMUTABLE_LIVE_{name}"]
            for name in ("REGION", "SUBNETS", "IMAGES", "TARGET_GROUP")
        }
        self.region = given["REGION"]
        self.images = tuple(given["IMAGES"].split(","))
        self.template = FrozenMap(
            {
                "subnets": given["SUBNETS"],
                "instance_type": "t3.micro",
                "target_group": given["TARGET_GROUP"],
            }
        )
        self.clients = {
            name: boto3.client(name, region_name=self.region)
            for name in ("autoscaling", "ec2", "elbv2")
        }
        yield self.second()
        sweep(self.clients["autoscaling"], self.clients["ec2"], self.clients["elbv2"])

    def second(self):
        return AwsBackend(Place(self.region))

    async def raw_members(self, fleet, revision):
        told = self.clients["autoscaling"].describe_auto_scaling_groups(
            AutoScalingGroupNames=[f"{fleet}-r{revision}"]
        )
        return {i["InstanceId"] for g in told["AutoScalingGroups"] for i in g["Instances"]}

    async def raw_kill(self, fleet, instance):
        self.clients["ec2"].terminate_instances(InstanceIds=[instance])

    async def raw_resize(self, fleet, revision, size):
        self.clients["autoscaling"].set_desired_capacity(
            AutoScalingGroupName=f"{fleet}-r{revision}", DesiredCapacity=size
        )

    async def raw_protect(self, fleet, instance):
        asg = self.clients["autoscaling"]
        (told,) = asg.describe_auto_scaling_instances(InstanceIds=[instance])[
            "AutoScalingInstances"
        ]
        asg.set_instance_protection(
            InstanceIds=[instance],
            AutoScalingGroupName=told["AutoScalingGroupName"],
            ProtectedFromScaleIn=True,
        )

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        sizes = {"MaxSize": maximum} if maximum is not None else {}
        self.clients["autoscaling"].update_auto_scaling_group(
            AutoScalingGroupName=f"{fleet}-r{revision}", MinSize=minimum, **sizes
        )
