"""Which fleets have to go somewhere, because a channel that they follow points there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from attrs import frozen

from immutable.catalog.state import Assignment, Catalog
from immutable.errors import InvalidValue
from immutable.following.values import Following
from immutable.journal import Entry
from immutable.model import FleetURL, Status
from immutable.model.quantities import rounded_down

__all__ = ["Due", "due", "reason_of"]


@frozen
class Due:
    """A fleet that has to get a plan.

    Attributes:
        fleet: Its address.
        following: What it follows, and how.
        number: The number of the channel's assignment that it has to follow.
        artifact: What it has to launch.
        begin: Whether it may begin now by itself; else the plan is offered.
    """

    fleet: str
    following: Following
    number: int
    artifact: str
    begin: bool


def reason_of(channel: str, number: int) -> str:
    """Return why a rollout that follows an assignment of a channel is made: how it is known."""
    return f"follows {channel}, assignment {number}"


def due(catalog: Catalog, entries: Mapping[str, Sequence[Entry]], now: float) -> tuple[Due, ...]:
    """Return the fleets that have to get a plan now.

    One whose rollout to an assignment did not work out stays until the channel is assigned anew:
    what has failed is not tried over and over.

    Args:
        catalog: The catalog as it is.
        entries: The rollouts of each fleet that follows, the oldest first.
        now: The time, in seconds since 1970.
    """
    followers = {fleet: Following.load(text) for fleet, text in catalog.followers.items()}
    together = Counter(each.channel for each in followers.values())
    under_way = Counter(
        following.channel
        for fleet, following in followers.items()
        if any(not each.status.ended for each in entries.get(fleet, ()))
    )
    found = []
    for fleet, following in followers.items():
        current = catalog.current(following.channel)
        artifact = _artifact(catalog, fleet, current)
        if current is None or not artifact:
            continue
        known = _offered(catalog, fleet, current)
        if known or not _wants(current, artifact, entries.get(fleet, ())):
            continue
        open_now = not following.windows or any(
            each.holds(datetime.fromtimestamp(now, UTC)) for each in following.windows
        )
        if following.automatic and not open_now:
            continue
        most = max(1, rounded_down(following.at_most, together[following.channel]))
        if following.automatic and under_way[following.channel] >= most:
            continue
        under_way[following.channel] += following.automatic
        found.append(Due(fleet, following, current.number, artifact, following.automatic))
    return tuple(found)


def _artifact(catalog: Catalog, fleet: str, current: Assignment | None) -> str:
    """Return what a fleet would launch; empty where the image was not made for its place."""
    url = FleetURL.parse(fleet)
    if current is None:
        return ""
    try:
        return catalog.versions[current.digest].artifact(url.scheme, url.location)
    except InvalidValue:
        return ""


def _wants(current: Assignment, artifact: str, entries: Sequence[Entry]) -> bool:
    """Whether a fleet has to go there: it isn't there, isn't under way, and has not tried."""
    if any(not each.status.ended for each in entries):
        return False
    if any(each.reason == reason_of(current.channel, current.number) for each in entries):
        return False
    return _runs(entries) != artifact


def _runs(entries: Sequence[Entry]) -> str:
    """Return what a fleet runs, as far as its newest rollout tells."""
    if not entries:
        return ""
    last = entries[-1]
    there = last.plan.candidate if last.status is Status.SUCCEEDED else last.plan.stable
    return there.image.artifact


def _offered(catalog: Catalog, fleet: str, current: Assignment) -> bool:
    offer = catalog.offers.get(fleet)
    found = None if offer is None else (offer.channel, offer.number)
    return found == (current.channel, current.number)
