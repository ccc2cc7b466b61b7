"""Resources that are kept as they were put: networks, load balancers, images, settings."""

from __future__ import annotations

import copy
from typing import Any

from attrs import define, field

from . import ids
from .errors import ArmError, no_resource


@define(eq=False)
class Resource:
    """One.

    Args:
        id: its long name, as it was spelled first.
        doc: what was put, without `id`, `name`, `type`, `etag`, `provisioningState`.
        state: `provisioningState`.
        guid: told as `resourceGuid` and in ETags.
    """

    id: str
    doc: dict[str, Any]
    state: str = "Succeeded"
    guid: str = field(factory=ids.fresh)
    changes: int = 1

    @property
    def name(self) -> str:
        """The last part of the id."""
        return self.id.rsplit("/", 1)[1]

    @property
    def kind(self) -> str:
        """`Microsoft.Network/loadBalancers`."""
        return ids.kind_of(self.id)

    @property
    def place(self) -> str:
        """The resource group."""
        return ids.parts(self.id)["resourcegroups"]

    @property
    def properties(self) -> dict[str, Any]:
        """The resource's properties."""
        said: dict[str, Any] = self.doc.setdefault("properties", {})
        return said

    @property
    def etag(self) -> str:
        """As the network provider writes it; another one after each change."""
        return f'W/"{ids.steady(self.guid, str(self.changes))}"'


READ_ONLY = ("id", "name", "type", "etag", "systemData")


@define(eq=False)
class Store:
    """All of them, by their long names."""

    all: dict[str, Resource] = field(factory=dict)

    def put(self, path: str, body: dict[str, Any]) -> tuple[Resource, bool]:
        """Make or replace one; whether it is new."""
        doc = copy.deepcopy({k: v for k, v in body.items() if k not in READ_ONLY})
        doc.get("properties", {}).pop("provisioningState", None)
        found = self.all.get(ids.key(path))
        if found is None:
            found = self.all[ids.key(path)] = Resource(path, doc)
            return found, True
        found.doc = doc
        found.changes += 1
        return found, False

    def find(self, path: str) -> Resource | None:
        """One, or None."""
        return self.all.get(ids.key(path))

    def get(self, path: str) -> Resource:
        """One.

        Raises:
            ArmError: 404 `ResourceNotFound`.
        """
        if (found := self.find(path)) is None:
            kind, *_, group = ids.kind_of(path), ids.parts(path)["resourcegroups"]
            tail = path.split("/providers/", 1)[1].split("/")
            raise no_resource(kind, "/".join(tail[2::2]), group)
        return found

    def pop(self, path: str) -> Resource | None:
        """Take one away, and what is below it."""
        for below in [key for key in self.all if key.startswith(f"{ids.key(path)}/")]:
            del self.all[below]
        return self.all.pop(ids.key(path), None)

    def of(self, kind: str, group: str | None = None) -> list[Resource]:
        """All of a kind, in a resource group or in all."""
        return [
            each
            for each in self.all.values()
            if each.kind.lower() == kind.lower()
            and (group is None or each.place.lower() == group.lower())
        ]


def matching(given: str | None, etag: str, what: str, *, network: bool = False) -> None:
    """Refuse an `If-Match` of another version; both shapes of the refusal are recorded.

    Raises:
        ArmError: 412.
    """
    if given is None or given in {"*", etag}:
        return
    said = f"Etag provided in if-match header {given} does not match etag {etag} of resource"
    if not network:
        raise ArmError("PreconditionFailed", f"{said}.", 412)
    inner = {
        "code": "PreconditionFailedEtagMismatch",
        "message": f"{said} {what} in NRP data store.",
    }
    raise ArmError("PreconditionFailed", "Precondition failed.", 412, details=[inner])
