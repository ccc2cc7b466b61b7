"""What all changes have in common: ownership read first, and each change held against that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from immutable.backend import Context, Invalid
from immutable.toolkit.deeds import Deed
from immutable.toolkit.owning import check_holder
from immutable_azure.calls import SETS, Calls
from immutable_azure.looking import Eyes
from immutable_azure.marks import MOST_TAGS, drain_tags, fits
from immutable_azure.names import key
from immutable_azure.reading import Described

__all__ = ["Hands", "current_tags"]


class Hands:
    """Changes scale sets, one request at a time.

    Every change of a set itself carries the ETag of what was read, so it is refused if anybody
    changed the set meanwhile. Deletions of members and autoscale settings have no such condition.

    Args:
        calls: The door to Azure.
        eyes: How fleets are seen.

    Attributes:
        deed: Whether something has been changed, or may have been, by these hands.
    """

    def __init__(self, calls: Calls, eyes: Eyes) -> None:
        self.calls = calls
        self.eyes = eyes
        self.deed = Deed()

    async def owned(self, fleet: str, revision: int, ctx: Context) -> Described:
        """Return a set as it is now with its members, if *ctx* may change it.

        Raises:
            Gone: There is none.
            Conflict: Another rollout holds it, or a later lease.
        """
        group = await self.eyes.whole(fleet, revision)
        check_holder(group.marks.hold, group.name, ctx, self.calls.now())
        return group

    async def begin(
        self, name: str, *args: Any, about: str, wait: bool = False, **options: Any
    ) -> Any:
        """Make a request that changes something."""
        request = self.calls.begin(name, *args, about=about, wait=wait, **options)
        return await self.deed.request(request)

    async def put_setting(self, name: str, body: Mapping[str, Any]) -> None:
        """Write an autoscale setting."""
        call, place = "monitor.autoscale_settings.create_or_update", self.calls.place.group
        content = json.dumps(body).encode()
        await self.deed.request(self.calls.ask(call, place, name, content, about=name))

    async def drop_setting(self, name: str) -> None:
        """Delete an autoscale setting."""
        call, place = "monitor.autoscale_settings.delete", self.calls.place.group
        await self.deed.request(self.calls.ask(call, place, name, about=name))

    async def change(
        self, group: Described, body: Mapping[str, Any], *, wait: bool = False
    ) -> None:
        """Change a set, if it is still as it was read.

        Raises:
            Conflict: It isn't.
            Invalid: It would have more tags than it can have.
        """
        from azure.core import MatchConditions

        if not fits(body.get("tags", {})):
            raise Invalid(f"{group.name} needs more than {MOST_TAGS} tags: take some of yours away")
        await self.begin(
            f"{SETS}.begin_update",
            self.calls.place.group,
            group.name,
            dict(body),
            about=group.name,
            wait=wait,
            etag=group.etag,
            match_condition=MatchConditions.IfNotModified,
        )

    async def tag(self, group: Described, tags: Mapping[str, str]) -> None:
        """Write all tags of a set; never with a size, which may be another one meanwhile."""
        await self.change(group, {"tags": dict(tags)}, wait=True)

    async def setting(self, group: Described) -> dict[str, Any] | None:
        """Return the autoscale setting that scales a set, as it is now; None when there is none."""
        found: dict[str, Any] | None = (await self.eyes.scaling(anew=True)).get(key(group.id))
        return found


def current_tags(group: Described) -> dict[str, str]:
    """Return a set's tags without the drain marks of members that are gone for good."""
    return drain_tags(group.tags, group.draining)
