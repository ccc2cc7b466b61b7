"""Service Quotas: the limits that a launch runs into, as they can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .errors import AwsError
from .launching import STANDARD

if TYPE_CHECKING:
    from .world import World

NAMES = {STANDARD: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"}


def _told(world: World, code: str) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaCode": code,
        "QuotaName": NAMES.get(code, code),
        "QuotaArn": f"arn:aws:servicequotas:{world.region}:123456789012:ec2/{code}",
        "Value": world.supply.quotas[code],
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@ours("service-quotas", "GetServiceQuota", "GetAWSDefaultServiceQuota")
def get_service_quota(world: World, call: Call) -> dict[str, Any]:
    """One quota (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html)."""
    code = call.params["QuotaCode"]
    if call.params["ServiceCode"] != "ec2" or code not in world.supply.quotas:
        said = "The request failed because the specified service quota does not exist."
        raise AwsError("NoSuchResourceException", said)
    return {"Quota": _told(world, code)}


@ours("service-quotas", "ListServiceQuotas")
def list_service_quotas(world: World, call: Call) -> dict[str, Any]:
    """All quotas of EC2 that are modelled."""
    if call.params["ServiceCode"] != "ec2":
        raise AwsError("NoSuchResourceException", "The specified service does not exist.")
    return {"Quotas": [_told(world, code) for code in world.supply.quotas]}
