"""Where a fleet is: an AWS region, and by whose credentials it is reached."""

from __future__ import annotations

import re
from typing import Any, Self

from attrs import field, frozen

from immutable.backend import FleetURL
from immutable.errors import InvalidValue
from immutable.toolkit.address import EVERY, Shares, check_endpoint, check_options, shares_of

__all__ = ["Place"]

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}")
_ACCOUNT = re.compile(r"\d{12}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OPTIONS = ("account", "endpoint", "profile", "role", "traffic")


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
        check_endpoint(value, "http", "https")

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
        check_options(url, _OPTIONS)
        if url.name != EVERY and not _NAME.fullmatch(url.name):
            raise InvalidValue(
                "name", url.name, "letters, digits and . _ - only, up to 100", "rename the fleet"
            )
        options: dict[str, Any] = {**url.options, "traffic": shares_of(url)}
        return cls(url.location, **options)
