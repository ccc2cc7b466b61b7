"""Whether there is room for more servers: quotas, addresses, bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from immutable.backend import Denied, Gone, Problem
from immutable_aws.calls import Answer, Calls
from immutable_aws.reading import Described

__all__ = ["address_problems", "family_quota", "quota_problems", "vcpus_used"]

STANDARD = "L-1216C47A"
# Service Quotas, service ec2, "Running On-Demand … instances" (Amazon EC2 User Guide, "Amazon EC2
# instance type quotas"); by the letters that a type's name begins with.
_QUOTAS = {
    "g": "L-DB2E81BA",
    "vt": "L-DB2E81BA",
    "p": "L-417A185B",
    "inf": "L-1945791B",
    "trn": "L-2C3B7624",
    "x": "L-7295265B",
    "f": "L-74FC7D96",
    "dl": "L-6E869C2A",
    "hpc": "L-F7808C92",
    "u": "L-43DA4232",
}


# t3.micro and m7g.large: the standard one. g5.xlarge: that of G and VT. u-6tb1.metal: high memory.
def family_quota(instance_type: str) -> str:
    """Return the code of the quota that an instance type counts against."""
    letters = ""
    for letter in instance_type:
        if not letter.isalpha():
            break
        letters += letter
    return _QUOTAS.get(letters, STANDARD)


def vcpus_used(instances: Iterable[Answer], vcpus: Mapping[str, int], quota: str) -> int:
    """Return how many vCPUs of a quota running instances take.

    Args:
        instances: Descriptions of those that run or start.
        vcpus: How many a type has, where an instance doesn't say.
        quota: The quota's code.
    """
    used = 0
    for each in instances:
        kind = each.get("InstanceType", "")
        if family_quota(kind) != quota or each.get("InstanceLifecycle") == "spot":
            continue
        options = each.get("CpuOptions", {})
        told = options.get("CoreCount", 0) * options.get("ThreadsPerCore", 0)
        used += told or vcpus.get(kind, 1)
    return used


async def quota_problems(calls: Calls, types: Mapping[str, Answer], more: int) -> list[Problem]:
    """Return whether the account's quota allows *more* servers of the first of some types.

    Args:
        calls: The door to AWS.
        types: Descriptions of the instance types, in order of preference.
        more: How many servers more than now there will be at most.
    """
    if not types or more <= 0:
        return []
    kind, described = next(iter(types.items()))
    each = int(described.get("VCpuInfo", {}).get("DefaultVCpus", 1))
    quota = family_quota(kind)
    try:
        answer = await calls.ask(
            "service-quotas",
            "GetServiceQuota",
            about=quota,
            ServiceCode="ec2",
            QuotaCode=quota,
        )
    except (Denied, Gone):
        return []  # Who may not read the quota meets it at the launch, as a shortage.
    limit = int(answer["Quota"]["Value"])
    running = await calls.pages(
        "ec2",
        "DescribeInstances",
        "Reservations",
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}],
    )
    instances = [instance for found in running for instance in found["Instances"]]
    used = vcpus_used(instances, {kind: each}, quota)
    if used + more * each <= limit:
        return []
    return [
        Problem(
            f"{more} servers more of type {kind} need {more * each} vCPUs; {used} of the {limit} of"
            f" quota {quota} are in use",
            "raise the quota in Service Quotas, or lower max_surge",
        )
    ]


# 5 more in three zones: 2 in each at most.
def address_problems(group: Described, subnets: Sequence[Answer], more: int) -> list[Problem]:
    """Return in which subnets there are too few free addresses for *more* servers.

    Auto Scaling spreads them evenly over the zones, and gives a zone without addresses' share to
    others; so one short zone unbalances the fleet, and is a problem too.
    """
    if more <= 0 or not subnets:
        return []
    zones: dict[str, int] = {}
    for subnet in subnets:
        zone = subnet["AvailabilityZone"]
        zones[zone] = zones.get(zone, 0) + int(subnet["AvailableIpAddressCount"])
    share = math.ceil(more / len(zones))
    return [
        Problem(
            f"the subnets of {group.name} in {zone} have {free} free addresses, {share} needed",
            "add a subnet there, or lower max_surge",
        )
        for zone, free in sorted(zones.items())
        if free < share
    ]
