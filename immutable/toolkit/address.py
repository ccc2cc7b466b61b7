"""What addresses of fleets on clouds have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from immutable.backend import FleetURL
from immutable.errors import InvalidValue

__all__ = ["EVERY", "Shares", "check_endpoint", "check_options", "shares_of"]

EVERY = "*"
"""Stands for a name where the fleets of a place are listed."""


class Shares(StrEnum):
    """How a candidate gets a share of the traffic."""

    AUTO = "auto"
    """By weights where the fleet's load balancer can, else by its share of the instances."""
    WEIGHTS = "weights"
    INSTANCES = "instances"


def check_options(url: FleetURL, known: Sequence[str]) -> None:
    """Refuse options that nobody knows.

    Raises:
        InvalidValue: There is one; says which there are.
    """
    for name in url.options:
        if name not in known:
            there = f"{url.scheme}:// knows {', '.join(known)}"
            raise InvalidValue("option", name, "unknown", there)


def shares_of(url: FleetURL) -> Shares:
    """Return what the option ``traffic`` says; AUTO without it.

    Raises:
        InvalidValue: It says something else.
    """
    way = url.options.get("traffic", Shares.AUTO.value)
    if way not in set(Shares):
        raise InvalidValue("traffic", way, "unknown", f"there are {', '.join(Shares)}")
    return Shares(way)


def check_endpoint(value: str | None, *schemes: str) -> None:
    """Refuse an endpoint that is no address, or has a user in it.

    Args:
        value: Where requests are to be sent; None for the usual.
        schemes: How: ``http``, ``https``.

    Raises:
        InvalidValue: It can't be used. What could be a password is not repeated.
    """
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
        shown = "…" if "@" in value else value
        ways = " or ".join(f"{scheme}://" for scheme in schemes)
        raise InvalidValue("endpoint", shown, f"no {ways} address without a user")
