"""What all changes have in common: ownership read first, fingerprints, taking turns."""

from __future__ import annotations

from typing import Any

from immutable.backend import Context, Invalid
from immutable.toolkit.deeds import Deed
from immutable.toolkit.owning import check_holder
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.looking import Eyes
from immutable_gcp.marks import Marks, described
from immutable_gcp.pools import map_call, service_call
from immutable_gcp.reading import Described

__all__ = ["Hands"]

_LONGEST = 2048
"""What a description may have at most; more is refused before it is sent."""


class Hands:
    """Changes groups, one request at a time.

    Marks, backend services and URL maps are changed under the fingerprint that was read. Sizes,
    deletions of members, and autoscalers have none: between reading who owns a group and those
    requests lies one round trip, in which somebody else may change it too.

    Args:
        calls: The door to Compute Engine.
        eyes: How fleets are seen.
        fleet: Whose turn it is.
        token: What tells this call from others.

    Attributes:
        deed: Whether something has been changed, or may have been, by these hands.
    """

    def __init__(self, calls: Calls, eyes: Eyes, fleet: str, token: str) -> None:
        self.calls = calls
        self.eyes = eyes
        self.deed = Deed()
        self._fleet = fleet
        self._token = token

    async def owned(self, fleet: str, revision: int, ctx: Context) -> Described:
        """Return a group as it is now, if *ctx* may change it.

        Raises:
            Gone: There is none.
            Conflict: Another rollout holds it, or a later lease.
        """
        group = await self.eyes.group(fleet, revision)
        check_holder(group.marks.hold, group.name, ctx, self.calls.now())
        return group

    async def change(self, service: str, method: str, *, about: str, **request: Any) -> Answer:
        """Make a request that changes something, and wait until it is done."""
        change = self.calls.change(
            service, method, about=about, turn=self._fleet, token=self._token, **request
        )
        return await self.deed.request(change)

    async def manage(self, method: str, group: Described, **request: Any) -> Answer:
        """Make a request about a group that changes something."""
        return await self.change(
            self.eyes.managers,
            method,
            about=group.name,
            instance_group_manager=group.name,
            **self.calls.place.where,
            **request,
        )

    async def patch(self, group: Described, marks: Marks, **fields: Any) -> None:
        """Write marks on a group that nobody has changed since it was read, and other fields.

        Raises:
            Conflict: Somebody has.
        """
        text = described(str(group.group.get("description", "")), marks)
        if len(text) > _LONGEST:
            raise Invalid(
                f"the description of {group.name} would have {len(text)} letters, {_LONGEST} at"
                " most; shorten what its owner has written there"
            )
        resource = {"description": text, "fingerprint": group.group["fingerprint"], **fields}
        await self.manage("patch", group, instance_group_manager_resource=resource)

    async def scale(self, method: str, name: str, **request: Any) -> None:
        """Make a request about an autoscaler that changes something."""
        await self.change(
            self.eyes.autoscalers, method, about=name, **self.calls.place.where, **request
        )

    async def serve(self, method: str, service: Answer, **request: Any) -> None:
        """Make a request about a backend service that changes something."""
        kind, where = service_call(service["self_link"])
        name = service["name"]
        await self.change(kind, method, about=name, backend_service=name, **where, **request)
        self.eyes.pools.forget()

    async def write_map(self, url_map: Answer) -> None:
        """Replace a URL map that nobody has changed since it was read."""
        kind, where = map_call(url_map["self_link"])
        name = url_map["name"]
        resource = {k: v for k, v in url_map.items() if k not in ("id", "creation_timestamp")}
        resource = {k: v for k, v in resource.items() if k not in ("kind", "self_link", "region")}
        await self.change(
            kind, "update", about=name, url_map=name, url_map_resource=resource, **where
        )
        self.eyes.pools.forget()
