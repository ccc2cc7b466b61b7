"""A stage for a test, set with plain boto3: three zones, a load balancer, an image, a group."""

from __future__ import annotations

from typing import Any

from .client import Emulator


class Stage:
    """What exists before a rollout.

    Args:
        emulator: where.
        kind: `application`, `network` or None for no load balancer.
    """

    def __init__(self, emulator: Emulator, kind: str | None = "application") -> None:
        self.emulator = emulator
        self.ec2, self.elb = emulator.client("ec2"), emulator.client("elbv2")
        self.asg = emulator.client("autoscaling")
        subnets = self.ec2.describe_subnets()["Subnets"]
        subnets.sort(key=lambda subnet: subnet["AvailabilityZone"])
        self.vpc = subnets[0]["VpcId"]
        self.subnets = [subnet["SubnetId"] for subnet in subnets]
        self.zones = [subnet["AvailabilityZone"] for subnet in subnets]
        self.balancer = self.listener = ""
        self.kind = kind
        if kind is not None:
            self.balancer = self.elb.create_load_balancer(
                Name="front", Subnets=self.subnets, Type=kind
            )["LoadBalancers"][0]["LoadBalancerArn"]

    def image(self, name: str, **fields: Any) -> str:
        """An image of ours, for x86_64."""
        given = {
            "Name": name,
            "Architecture": "x86_64",
            "VirtualizationType": "hvm",
            "RootDeviceName": "/dev/xvda",
        }
        return str(self.ec2.register_image(**(given | fields))["ImageId"])

    def profile(self, name: str) -> str:
        """An instance profile, with a role."""
        iam = self.emulator.client("iam")
        iam.create_instance_profile(InstanceProfileName=name)
        return name

    def template(self, name: str, image: str, **data: Any) -> dict[str, str]:
        """A launch template, as groups name it: version 1."""
        made = self.ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro", **data},
        )["LaunchTemplate"]
        return {"LaunchTemplateId": made["LaunchTemplateId"], "Version": "1"}

    def target_group(self, name: str, delay: int = 0, *, listen: bool = True) -> str:
        """A target group; the first one that listens is on the listener's port 80."""
        protocol = "HTTP" if self.kind != "network" else "TCP"
        arn = self.elb.create_target_group(
            Name=name, Protocol=protocol, Port=80, VpcId=self.vpc, TargetType="instance"
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}],
        )
        if listen and not self.listener:
            self.listener = self.elb.create_listener(
                LoadBalancerArn=self.balancer,
                Protocol=protocol,
                Port=80,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
            )["Listeners"][0]["ListenerArn"]
        return str(arn)

    def group(self, name: str, size: int, template: dict[str, str], **fields: Any) -> None:
        """A group over all three zones."""
        given: dict[str, Any] = {
            "AutoScalingGroupName": name,
            "MinSize": 0,
            "MaxSize": size + 5,
            "DesiredCapacity": size,
            "LaunchTemplate": template,
            "VPCZoneIdentifier": ",".join(self.subnets),
        }
        self.asg.create_auto_scaling_group(**(given | fields))
