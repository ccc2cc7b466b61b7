"""Where a fleet is: a project and a zone or region, and by whose credentials it is reached."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

from attrs import field, frozen

from immutable.backend import FleetURL
from immutable.errors import InvalidValue

__all__ = ["EVERY", "Place", "Shares", "check_name"]

_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]+(-[a-z]+)+\d{1,2}")
_ZONE = re.compile(rf"({_REGION.pattern})-[a-z]")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
EVERY = "*"
"""Stands for a name where the fleets of a place are listed."""

_OPTIONS = ("credentials", "endpoint", "traffic")


class Shares(StrEnum):
    """How a candidate gets a share of the traffic."""

    AUTO = "auto"
    """By weights where the fleet's load balancer can, else by its share of the instances."""
    WEIGHTS = "weights"
    INSTANCES = "instances"


@frozen
class Place:
    """A project and a location in it.

    Attributes:
        project: The project's id.
        location: A zone, for zonal groups, or a region, for regional ones.
        endpoint: Where to send requests instead of to Google.
        anonymous: Whether to send them without credentials: for emulators.
        traffic: How a candidate gets a share of the traffic.

    Raises:
        InvalidValue: A part makes no sense; says which.
    """

    project: str = field()
    location: str = field()
    endpoint: str | None = field(default=None)
    anonymous: bool = False
    traffic: Shares = Shares.AUTO

    @project.validator
    def _is_project(self, _: object, value: str) -> None:
        if not _PROJECT.fullmatch(value):
            raise InvalidValue(
                "project", value, "no project's id", "write gcp://PROJECT/REGION/NAME"
            )

    @location.validator
    def _is_location(self, _: object, value: str) -> None:
        if not (_REGION.fullmatch(value) or _ZONE.fullmatch(value)):
            out = "write gcp://PROJECT/europe-west1/NAME, or a zone such as europe-west1-b"
            raise InvalidValue("location", value, "neither a region nor a zone", out)

    @endpoint.validator
    def _is_endpoint(self, _: object, value: str | None) -> None:
        if value is None:
            return
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            # What stands before an @ could be a password: it is not repeated.
            shown = "…" if "@" in value else value
            raise InvalidValue("endpoint", shown, "no http:// or https:// address without a user")

    @property
    def regional(self) -> bool:
        """Whether groups span the zones of a region."""
        return not _ZONE.fullmatch(self.location)

    @property
    def region(self) -> str:
        """The region, of a zone too."""
        return self.location if self.regional else self.location.rpartition("-")[0]

    @property
    def where(self) -> dict[str, Any]:
        """The parameter by which requests about groups say where."""
        return {"region" if self.regional else "zone": self.location}

    @classmethod
    def of(cls, url: FleetURL) -> Self:
        """Return the place that a fleet's address names.

        Raises:
            InvalidValue: A part makes no sense; says which, and what to write.
        """
        for name in url.options:
            if name not in _OPTIONS:
                known = ", ".join(_OPTIONS)
                raise InvalidValue("option", name, "unknown", f"gcp:// knows {known}")
        project, _, location = url.location.partition("/")
        if url.name != EVERY:
            check_name(url.name)
        way = url.options.get("traffic", Shares.AUTO.value)
        if way not in set(Shares):
            raise InvalidValue("traffic", way, "unknown", f"there are {', '.join(Shares)}")
        given = url.options.get("credentials")
        if given not in (None, "anonymous"):
            # Whoever writes a key here must not find it in a log.
            out = "leave it out: Application Default Credentials are found by themselves"
            raise InvalidValue("credentials", "…", "only 'anonymous' can be said here", out)
        return cls(project, location, url.options.get("endpoint"), given is not None, Shares(way))


def check_name(name: str) -> None:
    """Check that groups can be named after a fleet.

    Raises:
        InvalidValue: They can't.
    """
    if not _NAME.fullmatch(name):
        why = "lower-case letters, digits and - only, a letter first, up to 52"
        raise InvalidValue("name", name, why, "rename the fleet")
