"""A request as it was understood, and the register of what can be answered here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field


@define(eq=False)
class Call:
    """One request.

    Args:
        service: botocore's name: `autoscaling`, `ec2`, `elbv2` …
        action: as in the service's API reference.
        params: parsed by the service model.
        region: as signed.
        request_id: told in the answer.
        key: the access key that it was signed with.
        form: the fields as they were sent, for services that are asked with a form.
    """

    service: str
    action: str
    params: dict[str, Any]
    region: str
    request_id: str
    form: dict[str, str] = field(factory=dict, repr=False)
    key: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter."""
        return self.params.get(name, default)

    @property
    def name(self) -> str:
        """Service and action, as an IAM policy would nearly write it."""
        return f"{self.service}:{self.action}"


UNHEEDED = {
    "autoscaling:DescribeAutoScalingGroups": {"IncludeManagedResources"},
    "autoscaling:DescribeAutoScalingInstances": {"IncludeManagedResources"},
    "autoscaling:DescribeScalingActivities": {"IncludeManagedResources", "Filters"},
    "autoscaling:DescribeTrafficSources": {"TrafficSourceType"},
    "autoscaling:PutScalingPolicy": {"PredictiveScalingConfiguration"},
    "cloudwatch:DescribeAlarms": {
        "AlarmNamePrefix",
        "AlarmTypes",
        "ChildrenOfAlarmName",
        "ParentsOfAlarmName",
        "StateValue",
        "ActionPrefix",
    },
    "cloudwatch:GetMetricData": {"NextToken", "MaxDatapoints"},
    "ec2:RunInstances": {
        "CapacityReservationSpecification",
        "InstanceMarketOptions",
        "LicenseSpecifications",
    },
    "ec2:TerminateInstances": {"Force", "SkipOsShutdown"},
    "elbv2:DescribeTargetHealth": {"Include"},
    "service-quotas:GetServiceQuota": {"ContextId"},
}
"""Parameters that would change the answer, and that nothing here heeds: they are refused."""

Handler = Callable[[Any, Call], Any]

OURS: dict[tuple[str, str], Handler] = {}
"""Actions that are answered here, from the world; the result is a dict in the model's shape."""

BEFORE: dict[tuple[str, str], list[Handler]] = {}
"""What is done before moto answers; may change the form, raise, or return the answer itself."""

AFTER: dict[tuple[str, str], list[Handler]] = {}
"""What is done when moto has answered without an error."""

MOTO: dict[str, set[str]] = {}
"""Actions that are moto's alone, because nothing here knows better."""


def ours(service: str, *actions: str) -> Callable[[Handler], Handler]:
    """The function answers these actions."""

    def note(function: Handler) -> Handler:
        for action in actions:
            OURS[service, action] = function
        return function

    return note


def before(service: str, *actions: str) -> Callable[[Handler], Handler]:
    """The function goes first; moto answers, unless it returns an answer."""

    def note(function: Handler) -> Handler:
        for action in actions:
            BEFORE.setdefault((service, action), []).append(function)
        return function

    return note


def after(service: str, *actions: str) -> Callable[[Handler], Handler]:
    """The function is told when moto has answered."""

    def note(function: Handler) -> Handler:
        for action in actions:
            AFTER.setdefault((service, action), []).append(function)
        return function

    return note


def motos(service: str, *actions: str) -> None:
    """These actions are moto's."""
    MOTO.setdefault(service, set()).update(actions)
