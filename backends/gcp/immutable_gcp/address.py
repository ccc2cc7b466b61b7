"""Where a fleet is: a project and a zone or region, and by whose credentials it is reached."""

from __future__ import annotations

import re
from typing import Any, Self

from attrs import field, frozen

from immutable.backend import FleetURL
from immutable.errors import InvalidValue
from immutable.toolkit.address import EVERY, Shares, check_endpoint, check_options, shares_of

__all__ = ["Place", "check_name"]

_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]+(-[a-z]+)+\d{1,2}")
_ZONE = re.compile(rf"({_REGION.pattern})-[a-z]")
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?")
_OPTIONS = ("credentials", "endpoint", "traffic")


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
        check_endpoint(value, "http", "https")

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
        check_options(url, _OPTIONS)
        project, _, location = url.location.partition("/")
        if url.name != EVERY:
            check_name(url.name)
        way = shares_of(url)
        given = url.options.get("credentials")
        if given not in (None, "anonymous"):
            # Whoever writes a key here must not find it in a log.
            out = "leave it out: Application Default Credentials are found by themselves"
            raise InvalidValue("credentials", "…", "only 'anonymous' can be said here", out)
        return cls(project, location, url.options.get("endpoint"), given is not None, way)


def check_name(name: str) -> None:
    """Check that groups can be named after a fleet.

    Raises:
        InvalidValue: They can't.
    """
    if not _NAME.fullmatch(name):
        why = "lower-case letters, digits and - only, a letter first, up to 52"
        raise InvalidValue("name", name, why, "rename the fleet")
