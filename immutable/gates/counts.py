"""What one look at a canary saw: requests, errors and latencies of each arm since the last look.

Servers report counters that only grow while a process lives. A look is made of the differences
between two readings, server by server: of a sum over servers it can't be told which one restarted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import add, sub
from typing import Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue

__all__ = ["Arm", "Look", "halved", "since", "total"]


def _share(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not 0 < value < 1:
        raise InvalidValue(attribute.name, value, "a share lies between 0 and 1", "pass None")


@frozen
class Arm:
    """What some servers answered: since they started (a reading) or since the last look.

    Attributes:
        requests: How many requests they answered.
        errors: How many of these failed.
        latency: How many took how long, by bucket from fastest to slowest; the same buckets in
            every arm and at every look. Empty when nobody measured it.

    Raises:
        InvalidValue: A negative count, or more errors than requests.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        # Here and not by validators: a look makes one of these for each server.
        if self.requests < 0 or self.errors < 0 or (self.latency and min(self.latency) < 0):
            names = ("requests", "errors", "latency")
            counts = (self.requests, self.errors, min(self.latency, default=0))
            name = next(name for name, count in zip(names, counts, strict=True) if count < 0)
            raise InvalidValue(name, getattr(self, name), "a count is not negative")
        if self.errors > self.requests:
            raise InvalidValue("errors", self.errors, f"there were {self.requests} requests")

    # 100 requests, then 130: 30.    100 requests, then 40: it restarted, and answered 40 since.
    # 100 requests and 1 error, then 110 and 60: 59 errors in 10 requests can't be; it restarted.
    def since(self, earlier: Arm) -> Arm:
        """Return what one server answered after an *earlier* reading of the same counters.

        A counter that went backwards began anew, so all that it shows is new; what was counted
        between the earlier reading and the restart is lost, and not made up.
        """
        requests = self.requests - earlier.requests
        errors = self.errors - earlier.errors
        before = earlier.latency or (0,) * len(self.latency)
        if len(before) != len(self.latency):
            return self
        latency = tuple(map(sub, self.latency, before))
        if errors < 0 or errors > requests or (latency and min(latency) < 0):
            return self
        return Arm(requests, errors, latency)


def total(arms: Iterable[Arm]) -> Arm:
    """Return the sum of *arms*.

    Raises:
        InvalidValue: Their latencies have different numbers of buckets.
    """
    requests = errors = 0
    latency: tuple[int, ...] = ()
    for arm in arms:
        requests += arm.requests
        errors += arm.errors
        if latency and arm.latency:
            _same(latency, arm.latency)
            latency = tuple(map(add, latency, arm.latency))
        else:
            latency = latency or arm.latency
    return Arm(requests, errors, latency)


def since(
    earlier: Mapping[str, Arm], later: Mapping[str, Arm], *, fresh: bool = False
) -> dict[str, Arm]:
    """Return what each server answered between two readings.

    Args:
        earlier: The counters at the last look, by server.
        later: The counters now. A server that isn't there any more adds nothing.
        fresh: Whether servers that weren't in *earlier* started after it, so that all they show
            counts. Otherwise they may carry days of history: they count from their next reading.
    """
    nothing = Arm()
    return {
        name: arm.since(earlier.get(name, nothing))
        for name, arm in later.items()
        if fresh or name in earlier
    }


# Servers a, b, c, d, e: a, c and e against b and d. One server alone has no other half.
def halved(servers: Mapping[str, Arm]) -> tuple[Arm, Arm] | None:
    """Return stable's servers in two halves, chosen by name only, or None for fewer than two."""
    names = sorted(servers)
    if len(names) < 2:
        return None
    return total(servers[name] for name in names[::2]), total(servers[name] for name in names[1::2])


@frozen
class Look:
    """What both arms answered since the last look.

    A look without any request to the canary is no evidence about it, but still shows how noisy
    stable is and how long its requests take: look at stable before the canary serves.

    Attributes:
        canary: What the canary's servers answered.
        stable: What stable's servers answered in the same time.
        share: The chance that a request was sent to the canary, where the router was told one;
            None takes the share that was seen.
        halves: *stable* in two parts that differ by chance only, so that the noise between
            servers can be measured; None when there are none.

    Raises:
        InvalidValue: A share that is not between 0 and 1, or different numbers of buckets.
    """

    canary: Arm
    stable: Arm
    share: float | None = field(default=None, validator=_share)
    halves: tuple[Arm, Arm] | None = None

    def __attrs_post_init__(self) -> None:
        if self.canary.latency and self.stable.latency:
            _same(self.canary.latency, self.stable.latency)

    @classmethod
    def of_servers(
        cls,
        canary: Mapping[str, Arm],
        stable: Mapping[str, Arm],
        share: float | None = None,
        *,
        tempered: bool = True,
    ) -> Look:
        """Return the look that is made of what each server answered since the last one.

        Args:
            canary: What the canary's servers answered, by name.
            stable: What stable's did.
            share: As above.
            tempered: Whether stable is compared with itself too.
        """
        halves = halved(stable) if tempered else None
        return cls(total(canary.values()), total(halves or stable.values()), share, halves)


def _same(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    if len(one) != len(other):
        raise InvalidValue(
            "latency", other, f"{len(other)} buckets where others have {len(one)}", "use the same"
        )
