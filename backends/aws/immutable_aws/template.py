"""How the servers of a new fleet are launched, in words: settings to values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from attrs import field, frozen

from immutable.toolkit.settings import check_settings, is_number, named, words

__all__ = ["FleetTemplate"]

_KNOWN = {
    "subnets": "subnet-…, subnet-…: one in each zone",
    "instance_type": "t3.small; several, in order of preference: t3.small, t3a.small",
    "target_group": "the ARN of a target group that a listener forwards to",
    "security_groups": "sg-…, sg-…",
    "instance_profile": "the name of an instance profile",
    "key_name": "the name of a key pair",
    "maximum": "the most servers that the fleet may ever have (default 100)",
    "health_check": "ELB or EC2 (default ELB behind a target group)",
    "grace": "seconds without health checks after a start (default 300)",
    "public_ip": "true or false (default: as the subnet says)",
    "imdsv2": "required or optional (default required)",
}
_TAG = "tag."
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_SECURITY = re.compile(r"sg-[0-9a-f]{8,17}")
_TYPE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")
_ARN = re.compile(r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/\S+")


@frozen
class FleetTemplate:
    """How the servers of a fleet are launched.

    Attributes:
        subnets: Where, one in each zone.
        instance_types: What, in order of preference.
        target_group: Which target group they join; empty for none.
        security_groups: Who may reach them.
        instance_profile: Whose permissions they have.
        key_name: Who may log in.
        maximum: How many there may ever be.
        health_check: ``ELB`` or ``EC2``.
        grace: Seconds without health checks after a start.
        public_ip: Whether they get a public address; None for as the subnet says.
        imdsv2: Whether the metadata service asks for a session.
        tags: Tags of group and servers.
    """

    subnets: tuple[str, ...]
    instance_types: tuple[str, ...]
    target_group: str = ""
    security_groups: tuple[str, ...] = ()
    instance_profile: str = ""
    key_name: str = ""
    maximum: int = 100
    health_check: str = "EC2"
    grace: int = 300
    public_ip: bool | None = None
    imdsv2: bool = True
    tags: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Self:
        """Return what a fleet's settings say.

        Raises:
            Invalid: They make no sense; names all that is wrong.
        """
        check_settings(settings, _KNOWN, _CHECKS, _TAG)
        pool = settings.get("target_group", "")
        public = settings.get("public_ip")
        return cls(
            subnets=words(settings["subnets"]),
            instance_types=words(settings["instance_type"]),
            target_group=pool,
            security_groups=words(settings.get("security_groups", "")),
            instance_profile=settings.get("instance_profile", ""),
            key_name=settings.get("key_name", ""),
            maximum=int(settings.get("maximum", "100")),
            health_check=settings.get("health_check", "ELB" if pool else "EC2"),
            grace=int(settings.get("grace", "300")),
            public_ip=None if public is None else public == "true",
            imdsv2=settings.get("imdsv2", "required") == "required",
            tags=named(settings, _TAG),
        )

    def launch(self) -> dict[str, Any]:
        """Return the data of its launch template, without the image."""
        data: dict[str, Any] = {"InstanceType": self.instance_types[0]}
        if self.key_name:
            data["KeyName"] = self.key_name
        if self.instance_profile:
            data["IamInstanceProfile"] = {"Name": self.instance_profile}
        if self.public_ip is None:
            if self.security_groups:
                data["SecurityGroupIds"] = list(self.security_groups)
        else:
            card = {"DeviceIndex": 0, "AssociatePublicIpAddress": self.public_ip}
            groups = {"Groups": list(self.security_groups)} if self.security_groups else {}
            data["NetworkInterfaces"] = [{**card, **groups}]
        if self.imdsv2:
            data["MetadataOptions"] = {"HttpTokens": "required", "HttpEndpoint": "enabled"}
        return data

    def group(self, name: str, template: str) -> dict[str, Any]:
        """Return the request that makes an empty group of that name, without our tags."""
        spec = {"LaunchTemplateId": template, "Version": "1"}
        request: dict[str, Any] = {
            "AutoScalingGroupName": name,
            "MinSize": 0,
            "DesiredCapacity": 0,
            "MaxSize": self.maximum,
            "VPCZoneIdentifier": ",".join(self.subnets),
            "HealthCheckType": self.health_check,
            "HealthCheckGracePeriod": self.grace,
        }
        if len(self.instance_types) > 1:
            overrides = [{"InstanceType": kind} for kind in self.instance_types]
            request["MixedInstancesPolicy"] = {
                "LaunchTemplate": {"LaunchTemplateSpecification": spec, "Overrides": overrides},
                "InstancesDistribution": {"OnDemandAllocationStrategy": "prioritized"},
            }
        else:
            request["LaunchTemplate"] = spec
        if self.target_group:
            request["TargetGroupARNs"] = [self.target_group]
        return request


def _all(pattern: re.Pattern[str], least: int) -> Any:
    def good(text: str) -> bool:
        found = words(text)
        return len(found) >= least and all(pattern.fullmatch(each) for each in found)

    return good


_CHECKS = {
    "subnets": _all(_SUBNET, 1),
    "instance_type": _all(_TYPE, 1),
    "security_groups": _all(_SECURITY, 0),
    "target_group": lambda text: not text or bool(_ARN.fullmatch(text)),
    "maximum": is_number,
    "grace": is_number,
    "health_check": lambda text: text in ("", "ELB", "EC2"),
    "public_ip": lambda text: text in ("", "true", "false"),
    "imdsv2": lambda text: text in ("", "required", "optional"),
}
