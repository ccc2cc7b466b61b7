"""What stands between a request to launch and an instance: image, type, zone, quota, addresses."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from . import door
from .errors import AwsError
from .lives import Lives

STANDARD = "L-1216C47A"
"""The quota on running On-Demand Standard instances, in vCPUs ("Amazon EC2 instance type quotas",
https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html)."""

BALANCING = {
    "target-groups": 3000,
    "targets-per-target-group": 1000,
    "target-groups-per-application-load-balancer": 100,
    "target-groups-per-action-on-application-load-balancer": 5,
    "targets-per-application-load-balancer": 1000,
    "targets-per-network-load-balancer": 3000,
    "targets-per-availability-zone-per-network-load-balancer": 500,
}
"""What Elastic Load Balancing allows by default, by the names that DescribeAccountLimits has for it:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html."""


@define(eq=False)
class Supply:
    """How much there is.

    Args:
        capacity: instances that a zone can hold, by zone; a zone that is not named holds any number.
        quotas: vCPUs by quota code.
        limits: of Elastic Load Balancing, by the names of DescribeAccountLimits.
    """

    lives: Lives
    region: str
    capacity: dict[str, int] = field(factory=dict)
    quotas: dict[str, float] = field(factory=lambda: {STANDARD: 5000.0})
    limits: dict[str, int] = field(factory=lambda: dict(BALANCING))

    def vcpus(self, instance_type: str) -> int:
        """vCPUs of a type.

        Raises:
            AwsError: there is no such type.
        """
        known = door.instance_types().get(instance_type)
        if known is None:
            said = f"Invalid value '{instance_type}' for InstanceType."
            raise AwsError("InvalidParameterValue", said)
        return int(known["VCpuInfo"]["DefaultVCpus"])

    def used_vcpus(self) -> int:
        """vCPUs of everything that is pending or running."""
        live = (x for x in self.lives.existing() if x.state in {"pending", "running"})
        return sum(self.vcpus(life.type) for life in live)

    def free(self, zone: str) -> int | None:
        """How many more the zone can hold; None for any number."""
        if zone not in self.capacity:
            return None
        here = sum(life.zone == zone for life in self.lives.existing())
        return max(0, self.capacity[zone] - here)

    def image(self, image_id: str) -> Any:
        """An image that can be launched.

        "Error codes for the Amazon EC2 API": InvalidAMIID.NotFound, InvalidAMIID.Unavailable
        (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
        """
        image = door.ec2(self.region).amis.get(image_id)
        if image is None:
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if image.state != "available":
            said = f"The image ID '{image_id}' is not available"
            raise AwsError("InvalidAMIID.Unavailable", said)
        return image

    def fits(self, image_id: str, instance_type: str) -> None:
        """The image runs on the type ("Amazon EC2 instance types", architecture)."""
        image = self.image(image_id)
        self.vcpus(instance_type)
        allowed = door.instance_types()[instance_type]["ProcessorInfo"]["SupportedArchitectures"]
        if (image.architecture or "x86_64") not in allowed:
            raise AwsError(
                "InvalidParameterValue",
                f"The architecture '{','.join(allowed)}' of the specified instance type does not "
                f"match the architecture '{image.architecture}' of the specified AMI. Specify an "
                "instance type and an AMI that have matching architectures, and try again.",
            )

    def addresses(self, subnet_id: str, count: int) -> None:
        """The subnet has that many free addresses."""
        subnet = door.ec2(self.region).get_subnet(subnet_id)
        if subnet.available_ip_address_count < count:
            raise AwsError(
                "InsufficientFreeAddressesInSubnet",
                f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the "
                "requested number of instances.",
            )

    def grant(self, instance_type: str, zone: str, zones: list[str], least: int, most: int) -> int:
        """How many of `least` to `most` can be had in a zone.

        RunInstances launches the largest possible number between MinCount and MaxCount
        (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html).

        Raises:
            AwsError: not even the least, by quota (`VcpuLimitExceeded`) or by capacity
                (`InsufficientInstanceCapacity`, 500).
        """
        each, limit = self.vcpus(instance_type), self.quotas[STANDARD]
        within = int((limit - self.used_vcpus()) // each)
        if within < least:
            raise AwsError(
                "VcpuLimitExceeded",
                f"You have requested more vCPU capacity than your current vCPU limit of {limit:g} "
                "allows for the instance bucket that the specified instance type belongs to. "
                "Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
                "adjustment to this limit.",
            )
        free = self.free(zone)
        if free is not None and free < least:
            others = [z for z in zones if z != zone and self.free(z) != 0]
            hint = f" or choosing {', '.join(others)}" if others else ""
            raise AwsError(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {instance_type} capacity in the Availability "
                f"Zone you requested ({zone}). Our system will be working on provisioning "
                f"additional capacity. You can currently get {instance_type} capacity by not "
                f"specifying an Availability Zone in your request{hint}.",
            )
        return min(most, within, most if free is None else free)
