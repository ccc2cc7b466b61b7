"""How AWS says that there are too many calls, and answers that are told once more.

Kinds of faults are those of `tests/emulators/faults.py`, and `stale`: the same question gets the
oldest answer of the last `seconds` again ("Eventual consistency in the Amazon EC2 API",
https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html). Buckets are those of
"Request throttling for the Amazon EC2 API": for requests, and for resources, of which RunInstances
takes one token an instance (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).
"""

from __future__ import annotations

from tests.emulators.serving import Reply

from .calls import Call
from .errors import AwsError


class Answers:
    """Answers that were given, for whoever is to be told an old one."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[float, Reply]]] = {}

    def keep(self, call: Call, reply: Reply, now: float) -> None:
        """Remember the answer to a question."""
        self._kept.setdefault(f"{call.name} {call.params}", []).append((now, reply))

    def old(self, call: Call, seconds: float, now: float) -> Reply | None:
        """The oldest answer of the last seconds, if there is one."""
        kept = self._kept.get(f"{call.name} {call.params}", [])
        kept[:] = [(at, reply) for at, reply in kept if at >= now - seconds]
        return kept[0][1] if kept else None


def throttled(call: Call) -> AwsError:
    """How a service says that there are too many calls.

    EC2: `RequestLimitExceeded`, 503 ("Request throttling for the Amazon EC2 API",
    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html). Auto Scaling and
    Elastic Load Balancing: `Throttling`, 400 ("Common Errors",
    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html). JSON services:
    `ThrottlingException`, 400 (https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html).
    """
    if call.service == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.")
    json_services = {"ssm", "service-quotas"}
    code = "ThrottlingException" if call.service in json_services else "Throttling"
    return AwsError(code, "Rate exceeded", 400)
