"""What goes wrong on the way: throttling, server errors, lost answers, latency, dead connections."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from attrs import define, field

from .calls import Call
from .errors import AwsError


@define(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        action: `autoscaling:SetDesiredCapacity`, `ec2:*`, `*`.
        kind: `throttle`; `error` (with `code`, `message`, `status`); `latency` (with `seconds`);
            `reset`: the connection dies before anything is done; `lost`: everything is done, then
            the connection dies; `garbled`: everything is done, half of the answer arrives; `stale`:
            the same question gets the oldest answer of the last `seconds` again ("Eventual
            consistency in the Amazon EC2 API",
            https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html).
        skip: let so many calls that match pass first.
        times: happen so often; `None` for always.
        where: only calls whose parameters have these values; a list of values matches any of it.
    """

    action: str
    kind: str
    skip: int = 0
    times: int | None = 1
    where: dict[str, Any] = field(factory=dict)
    code: str = "InternalFailure"
    message: str = "An internal error has occurred."
    status: int | None = None
    seconds: float = 0.0
    fired: int = 0

    def hits(self, call: Call) -> bool:
        """Whether it happens to this call; counts it."""
        if not fnmatchcase(call.name, self.action) or not self._fits(call):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.fired += 1
        return True

    def _fits(self, call: Call) -> bool:
        for name, wanted in self.where.items():
            value = call.get(name)
            if value != wanted and not (isinstance(value, list) and wanted in value):
                return False
        return True


class Answers:
    """Answers that were given, for whoever is to be told an old one."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[float, tuple[int, dict[str, str], bytes]]]] = {}

    def keep(self, call: Call, reply: tuple[int, dict[str, str], bytes], now: float) -> None:
        """Remember the answer to a question."""
        self._kept.setdefault(f"{call.name} {call.params}", []).append((now, reply))

    def old(
        self, call: Call, seconds: float, now: float
    ) -> tuple[int, dict[str, str], bytes] | None:
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


@define
class Bucket:
    """Tokens that come back at a steady rate.

    "Request throttling for the Amazon EC2 API": request buckets, and resource buckets from which
    RunInstances takes one token an instance
    (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).

    Args:
        action: as in `Fault`; all that match share the bucket.
        capacity: how many it holds.
        rate: how many come back in a second.
        by: the parameter that says how many tokens a call takes; one, without it.
    """

    action: str
    capacity: float
    rate: float
    by: str | None = None
    tokens: float = field(default=-1.0)
    at: float = 0.0

    def take(self, call: Call, now: float) -> bool:
        """Take what the call costs, if there is as much."""
        if not fnmatchcase(call.name, self.action):
            return True
        if self.tokens < 0:
            self.tokens, self.at = self.capacity, now
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.rate)
        self.at = now
        cost = float(call.get(self.by, 1)) if self.by else 1.0
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True
