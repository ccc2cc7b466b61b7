"""What all changes have in common: ownership read first, tags, taking turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immutable.backend import Context
from immutable.toolkit.deeds import Deed
from immutable.toolkit.owning import check_holder
from immutable_aws.calls import Answer, Calls
from immutable_aws.looking import Eyes, one_of
from immutable_aws.marks import tag_list
from immutable_aws.reading import Described

__all__ = ["Hands"]


class Hands:
    """Changes groups, one request at a time.

    AWS has no compare-and-set: between reading who owns a group and changing it lies one round
    trip, in which somebody else may change it too.

    Args:
        calls: The door to AWS.
        eyes: How fleets are seen.

    Attributes:
        deed: Whether something has been changed, or may have been, by these hands.
    """

    def __init__(self, calls: Calls, eyes: Eyes) -> None:
        self.calls = calls
        self.eyes = eyes
        self.deed = Deed()

    async def owned(self, fleet: str, revision: int, ctx: Context) -> Described:
        """Return a group as it is now, if *ctx* may change it.

        Raises:
            Gone: There is none.
            Conflict: Another rollout holds it, or a later lease.
        """
        _, group = await self.owned_beside(fleet, revision, ctx)
        return group

    async def owned_beside(
        self, fleet: str, revision: int, ctx: Context
    ) -> tuple[list[Described], Described]:
        """Return all groups of a fleet as they are now, and one of them, if *ctx* may change that.

        Raises:
            Gone: There is no such group.
            Conflict: Another rollout holds it, or a later lease.
        """
        groups = await self.eyes.groups(fleet)
        group = one_of(groups, fleet, revision)
        check_holder(group.marks.hold, group.name, ctx, self.calls.now())
        return groups, group

    async def scale(self, call: str, group: Described, **params: Any) -> Answer:
        """Make a request of Auto Scaling that changes a group."""
        return await self.change(
            "autoscaling",
            call,
            group.marks.fleet,
            about=group.name,
            AutoScalingGroupName=group.name,
            **params,
        )

    async def change(
        self, service: str, call: str, fleet: str, *, about: str, **params: Any
    ) -> Answer:
        """Make any other request that changes something of a fleet."""
        request = self.calls.ask(service, call, about=about, turn=fleet, **params)
        return await self.deed.request(request)

    async def tag(self, group: Described, tags: Mapping[str, str]) -> None:
        """Write tags on a group."""
        await self.change(
            "autoscaling",
            "CreateOrUpdateTags",
            group.marks.fleet,
            about=group.name,
            Tags=tag_list(group.name, tags),
        )

    async def untag(self, group: Described, keys: Iterable[str]) -> None:
        """Take tags off a group."""
        gone = {key: group.tags.get(key, "") for key in keys}
        if not gone:
            return
        await self.change(
            "autoscaling",
            "DeleteTags",
            group.marks.fleet,
            about=group.name,
            Tags=tag_list(group.name, gone),
        )
