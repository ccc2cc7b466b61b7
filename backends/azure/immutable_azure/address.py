"""Where a fleet is: a resource group of a subscription, and how it is reached."""

from __future__ import annotations

import re
from typing import Self

from attrs import field, frozen

from immutable.backend import FleetURL
from immutable.errors import InvalidValue
from immutable.toolkit.address import EVERY, check_endpoint, check_options

__all__ = ["Place"]

_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GROUP = re.compile(r"[\w.()-]{0,89}[\w()-]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_OPTIONS = ("ca_bundle", "endpoint", "tenant")
_WAY = "write azure://SUBSCRIPTION/RESOURCE_GROUP/NAME"


@frozen
class Place:
    """A resource group of a subscription, and how it is reached.

    Attributes:
        subscription: The subscription's id.
        group: The resource group's name.
        endpoint: Where to send requests instead of to the public cloud's Resource Manager.
        ca_bundle: A file with the certificates to trust instead of the usual ones.
        tenant: The tenant whose identities are asked for; None for the usual search.

    Raises:
        InvalidValue: A part makes no sense; says which.
    """

    subscription: str = field()
    group: str = field()
    endpoint: str | None = field(default=None)
    ca_bundle: str | None = None
    tenant: str | None = None

    @subscription.validator
    def _is_subscription(self, _: object, value: str) -> None:
        if not _SUBSCRIPTION.fullmatch(value):
            raise InvalidValue("subscription", value, "no subscription's id (a UUID)", _WAY)

    @group.validator
    def _is_group(self, _: object, value: str) -> None:
        if not _GROUP.fullmatch(value):
            raise InvalidValue("resource group", value, "no name of a resource group", _WAY)

    @endpoint.validator
    def _is_endpoint(self, _: object, value: str | None) -> None:
        check_endpoint(value, "https")

    @classmethod
    def of(cls, url: FleetURL) -> Self:
        """Return the place that a fleet's address names.

        Raises:
            InvalidValue: A part makes no sense; says which, and what to write.
        """
        check_options(url, _OPTIONS)
        if url.name != EVERY and not _NAME.fullmatch(url.name):
            raise InvalidValue(
                "name", url.name, "letters, digits and . _ - only, up to 50", "rename the fleet"
            )
        subscription, found, group = url.location.partition("/")
        if not found:
            raise InvalidValue("location", url.location, "no SUBSCRIPTION/RESOURCE_GROUP", _WAY)
        return cls(subscription, group, **dict(url.options))
