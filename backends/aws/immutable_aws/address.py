"""Where a fleet is: an AWS region, and by whose credentials it is reached."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from attrs import field, frozen

from immutable.backend import FleetURL
from immutable.errors import InvalidValue

__all__ = ["EVERY", "Place", "Shares"]

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
_ACCOUNT = re.compile(r"\d{12}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
EVERY = "*"
"""Stands for a name where a region's fleets are listed."""
_OPTIONS = ("account", "endpoint", "profile", "role", "traffic")


class Shares(StrEnum):
    """How a candidate gets a share of the traffic."""

    AUTO = "auto"
    """By weights where the fleet's load balancer can, else by its share of the instances."""
    WEIGHTS = "weights"
    INSTANCES = "instances"


@frozen
class Place:
    """A region, and by whose credentials it is reached.

    Attributes:
        region: Such as ``eu-west-1``.
        profile: A profile of the shared configuration; None for the usual search.
        role: The ARN of a role to assume; None for none.
        endpoint: Where to send requests instead of to AWS; None leaves it to ``AWS_ENDPOINT_URL``
            and the shared configuration.
        account: The account that the credentials have to belong to; None for any.
        traffic: How a candidate gets a share of the traffic.

    Raises:
        InvalidValue: A part makes no sense; says which.
    """

    region: str = field()
    profile: str | None = None
    role: str | None = field(default=None)
    endpoint: str | None = field(default=None)
    account: str | None = field(default=None)
    traffic: Shares = field(default=Shares.AUTO, converter=Shares)

    @region.validator
    def _is_region(self, _: object, value: str) -> None:
        if not _REGION.fullmatch(value):
            raise InvalidValue("region", value, "no region", "write aws://eu-west-1/NAME")

    @role.validator
    def _is_role(self, _: object, value: str | None) -> None:
        if value is not None and not _ROLE.fullmatch(value):
            raise InvalidValue(
                "role", value, "no ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME"
            )

    @endpoint.validator
    def _is_endpoint(self, _: object, value: str | None) -> None:
        if value is None:
            return
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            # What stands before an @ could be a password: it is not repeated.
            shown = "…" if "@" in value else value
            raise InvalidValue("endpoint", shown, "no http:// or https:// address without a user")

    @account.validator
    def _is_account(self, _: object, value: str | None) -> None:
        if value is not None and not _ACCOUNT.fullmatch(value):
            raise InvalidValue("account", value, "an account's number has twelve digits")

    @classmethod
    def of(cls, url: FleetURL) -> Self:
        """Return the place that a fleet's address names.

        Raises:
            InvalidValue: A part makes no sense; says which, and what to write.
        """
        for name in url.options:
            if name not in _OPTIONS:
                known = ", ".join(_OPTIONS)
                raise InvalidValue("option", name, "unknown", f"aws:// knows {known}")
        if url.name != EVERY and not _NAME.fullmatch(url.name):
            raise InvalidValue(
                "name", url.name, "letters, digits and . _ - only, up to 100", "rename the fleet"
            )
        options = dict(url.options)
        way = options.pop("traffic", Shares.AUTO.value)
        if way not in set(Shares):
            raise InvalidValue("traffic", way, "unknown", f"there are {', '.join(Shares)}")
        return cls(url.location, traffic=Shares(way), **options)
