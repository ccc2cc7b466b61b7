"""What a balancer is told, and what it tells: members, their traffic, and how patient it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from math import isfinite
from typing import Any, Final

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable_local.balancing.latency import Latency

__all__ = ["Member", "Settings", "Traffic", "checked", "total"]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PATH = re.compile(r"/[!$%&'()*+,./0-9:;=?@A-Z_a-z~-]{0,255}")


def _id(_: object, attribute: Attribute[Any], value: str) -> None:
    if not _ID.fullmatch(value):
        raise InvalidValue(attribute.name, value, "not 1 to 64 of A-Z a-z 0-9 . _ -")


def _address(_: object, attribute: Attribute[Any], value: str) -> None:
    try:
        ip_address(value)
    except ValueError:
        way_out = 'pass "127.0.0.1": a name could come to mean another server'
        raise InvalidValue(attribute.name, value, "not an IP address", way_out) from None


def _within(low: int, high: int) -> Any:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidValue(attribute.name, value, f"not a whole number from {low} to {high}")

    return check


@frozen
class Member:
    """One server behind the balancer.

    Two members of one id and revision are the same server, wherever it listens. Another
    revision under the same id is another server.

    Attributes:
        id: Its name: letters, digits, ``.``, ``_`` and ``-``, at most 64 of them.
        host: The IP address that it listens on.
        port: The TCP port.
        revision: The number of its revision.
        weight: Its part of the traffic, relative to the weights of the others: 0 to 256.
            0 gets no new requests.
        draining: Whether it gets no new requests, whatever its weight; those in flight finish.
    """

    id: str = field(validator=_id)
    host: str = field(validator=_address)
    port: int = field(validator=_within(1, 65_535))
    revision: int = field(validator=_within(0, 2**31))
    weight: int = field(default=100, validator=_within(0, 256))
    draining: bool = False

    @property
    def serving(self) -> bool:
        """Whether it gets new requests."""
        return self.weight > 0 and not self.draining

    @property
    def netloc(self) -> str:
        """Where it listens, as in a URL: ``127.0.0.1:80`` or ``[::1]:80``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def checked(members: Mapping[str, Member]) -> dict[str, Member]:
    """Return *members* as a dictionary of our own.

    Raises:
        InvalidValue: A key is not its member's id.
    """
    for key, member in members.items():
        if key != member.id:
            raise InvalidValue("members", key, f"names the member {member.id!r}")
    return dict(members)


_NONE: Final = Latency()


@frozen
class Traffic:
    """What went through the balancer to one member, or to one revision.

    Attributes:
        revision: The number of the revision.
        in_flight: Requests and tunnels that are not over. Exact: a request counts from the
            moment that it is given to a member until its answer has been handed to the client's
            connection, so that 0 after the drain began means that there will be none.
        requests: How many were given to it, those in flight included.
        failed: Those that it answered with 5xx, and those that the balancer had to answer for
            it (502, 503, 504) or to cut because it refused, broke or was silent. Not those that
            the client gave up.
        responses: Answers by class: 1xx, 2xx, 3xx, 4xx, 5xx. What the balancer answered in its
            place is not among them.
        latency: From the request to the end of its answer; without tunnels, and without those
            that the client gave up.
    """

    revision: int
    in_flight: int = 0
    requests: int = 0
    failed: int = 0
    responses: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    latency: Latency = _NONE

    @property
    def past(self) -> Traffic:
        """The same with nothing in flight: what remains of a member that is gone."""
        return Traffic(
            self.revision,
            requests=self.requests,
            failed=self.failed,
            responses=self.responses,
            latency=self.latency,
        )


def total(revision: int, parts: Iterable[Traffic]) -> Traffic:
    """Return the sum of *parts*, as that of a revision.

    >>> total(3, [Traffic(3, requests=2), Traffic(3, requests=5)]).requests
    7
    """
    each = tuple(parts)
    one, two, three, four, five = (
        sum(part.responses[number] for part in each) for number in range(5)
    )
    return Traffic(
        revision,
        in_flight=sum(part.in_flight for part in each),
        requests=sum(part.requests for part in each),
        failed=sum(part.failed for part in each),
        responses=(one, two, three, four, five),
        latency=sum((part.latency for part in each), _NONE),
    )


def _span(_: object, attribute: Attribute[Any], value: float) -> None:
    if not isfinite(value) or value < 0.001:
        raise InvalidValue(attribute.name, value, "not a number of seconds above 0.001")


def _path(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not _PATH.fullmatch(value):
        raise InvalidValue(attribute.name, value, "not a path", 'pass "/healthz", or None')


@frozen
class Settings:
    """How patient a balancer is, in seconds. A running process keeps those it was started with.

    Attributes:
        check: A path that is asked of each member five times a second; one that twice doesn't
            answer with 200 gets no requests until it does. None only looks whether its port
            is open.
        connect: Until a member has accepted a connection.
        header: Until a client has sent the head of its request.
        idle: Between two requests on a client's connection.
        silence: For which a client or a member may say nothing within a request. Longer than the
            longest request that members are given to answer.
        tunnel: The same for WebSockets and other upgraded connections.
    """

    check: str | None = field(default=None, validator=_path)
    connect: float = field(default=1.0, validator=_span)
    header: float = field(default=10.0, validator=_span)
    idle: float = field(default=75.0, validator=_span)
    silence: float = field(default=300.0, validator=_span)
    tunnel: float = field(default=3600.0, validator=_span)
