"""Names, places and links of resources, in all the forms in which Compute Engine takes them."""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from .errors import invalid, required

ROOT = "https://www.googleapis.com/compute/v1/"
"""How links begin in recorded answers."""

NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1035, "Naming resources" (https://cloud.google.com/compute/docs/naming-resources)."""


@frozen(order=True)
class Scope:
    """Where a resource is.

    Args:
        kind: `global`, `regions` or `zones`.
        name: of the region or zone.
    """

    kind: str = "global"
    name: str = ""

    @classmethod
    def of(cls, zone: str | None, region: str | None) -> Scope:
        """The scope of a path."""
        if zone:
            return cls("zones", zone)
        return cls("regions", region) if region else cls()

    @property
    def path(self) -> str:
        """As in a link."""
        return f"{self.kind}/{self.name}" if self.name else "global"

    @property
    def where(self) -> dict[str, str]:
        """The field that a resource here carries, without the project."""
        return {self.kind[:-1]: self.name} if self.name else {}


GLOBAL = Scope()


@frozen
class Link:
    """A resource that is named somewhere.

    Args:
        project: None where the link names none.
        kind: the collection: `instanceTemplates`.
    """

    project: str | None
    scope: Scope
    kind: str
    name: str

    def path(self, project: str) -> str:
        """Without the service's address: `projects/p/zones/z/instances/i`."""
        return f"projects/{self.project or project}/{self.scope.path}/{self.kind}/{self.name}"


FORM = re.compile(
    r"(?:https?://[^/]+/compute/v1/|/)?(?:projects/(?P<project>[^/]+)/)?"
    r"(?P<scope>global|(?:zones|regions)/[^/]+)/(?P<kind>[A-Za-z]+)/(?P<name>[^/]+(?:/[^/]+)?)"
)


def link(value: Any, field: str, kind: str | None = None) -> Link:
    """Understand a full or partial URL.

    Raises:
        GoogleError: it is none, or of another kind.
    """
    found = FORM.fullmatch(str(value))
    if not found or kind not in {None, found["kind"]}:
        raise invalid(field, value, "The URL is malformed.")
    where = found["scope"].partition("/")
    return Link(found["project"], Scope(where[0], where[2]), found["kind"], found["name"])


def checked(data: dict[str, Any], field: str = "resource.name") -> str:
    """The name in a body.

    Raises:
        GoogleError: there is none, or it breaks the pattern.
    """
    if not (name := data.get("name")):
        raise required(field)
    if not NAME.fullmatch(name):
        pattern = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
        raise invalid(field, name, f"Must be a match of regex '{pattern}'")
    return str(name)
