"""What the author of a backend tells the conformance suite: where to run, and ways past it.

Only the fixture and a few attributes are needed. Whatever else is left out makes the checks that
need it skip, with a sentence that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from secrets import token_hex
from typing import ClassVar

from immutable.backend import Backend, Context, Revision, SupportsCreate, Volume
from immutable.testing.outcome import NotDeclared

__all__ = ["Accessors", "Mishap", "undeclared"]


class Mishap(StrEnum):
    """What goes wrong with the next call of a method, by the cloud's doing."""

    THROTTLED = "throttled"
    """The cloud refuses it for now; it has no effect."""
    LOST = "lost"
    """It takes effect; the answer never comes."""
    LATE = "late"
    """It takes effect seconds later; the answer never comes."""
    SHORTAGE = "shortage"
    """The cloud has no room."""
    QUOTA = "quota"
    """The account's limit is reached."""
    DENIED = "denied"
    """The caller may not do this."""
    MISSING_PAGE = "missing page"
    """For ``observe``: one page of the answer can't be had."""
    PARTLY = "partly"
    """For ``retire``: only some of the members can be begun with."""
    HALF_MADE = "half made"
    """For ``create_revision``: it is cut off between the first and the last thing that it makes."""


class Accessors:
    """What a backend's author fills in. Everything is asked of the cloud, not of the backend.

    Attributes:
        url: The address of a fleet there, with ``{fleet}`` for its name.
        release: The minor release of the SDK, such as ``"0.1"``, whose checks the class is known
            to pass. Newer ones are skipped for one minor release; empty is the oldest.
        virtual: Whether the backend runs on the loop's time alone: hours then take no time.
        images: References of two images that servers can be started from.
        missing: A reference of an image that isn't there.
        template: How the servers of revision 1 are launched, in the backend's words.
        volumes: What each slot has of a fleet that is made for the checks of volumes.
        patience: Seconds within which whatever goes on by itself comes to its end; None reckons
            from the backend's capabilities.
        poll: Seconds between two looks while something is waited for; None takes the backend's.
        drain_timeout: How long a member may drain, in seconds.
        short: The shortest time for which a hold can be told from one that is over, in seconds.
        late: Seconds after which a call struck by `Mishap.LATE` takes effect, at most.
        expected_failures: Names of checks that are known to fail, with the reason.
    """

    url: str = ""
    release: ClassVar[str] = ""
    virtual: ClassVar[bool] = False
    images: tuple[str, str] = ("v1", "v2")
    missing: str = "no-such-image"
    template: Mapping[str, str] = {}  # Nobody changes it in place.
    volumes: tuple[Volume, ...] = (Volume("data", "/data"),)
    patience: float | None = None
    poll: float | None = None
    drain_timeout: float = 30.0
    short: float = 1.0
    late: float = 5.0
    expected_failures: ClassVar[Mapping[str, str]] = {}

    # -- places --------------------------------------------------------------------------------

    def fleet_name(self) -> str:
        """Return a name that no fleet has had; each check gets a fleet of its own."""
        return f"conf{token_hex(3)}"

    async def make_fleet(self, backend: Backend, fleet: str, revision: Revision, size: int) -> str:
        """Make a fleet of *size* servers, and return its name; they need not be READY yet.

        By default it is made with the backend's own calls. Where they can't, make a group behind
        the backend's back and let it adopt that.

        Args:
            backend: The backend, open.
            fleet: A name for it; it may have another.
            revision: Its one revision, number 1.
            size: How many servers.
        """
        if not isinstance(backend, SupportsCreate):
            raise _not_declared("make_fleet")
        await backend.create_fleet(fleet, revision)
        if size:
            ctx = Context("made", "", 1, f"made-{fleet}", 60)
            await backend.grow(fleet, revision.number, size, expected=0, ctx=ctx)
        return fleet

    async def remove_fleet(self, backend: Backend, fleet: str) -> None:
        """Remove what a check has left. Does nothing: for places that vanish with the fixture."""

    def second(self) -> Backend:
        """Return another backend, not open, on the same cloud, as another process would make."""
        raise _not_declared("second")

    async def image_source(self) -> str:
        """Return what ``build_image`` can make an image of."""
        raise _not_declared("image_source")

    # -- what there really is ------------------------------------------------------------------

    async def raw_members(self, fleet: str, revision: int) -> AbstractSet[str]:
        """Return the ids of all members of a group that exist, leaving ones included."""
        raise _not_declared("raw_members")

    async def raw_serving(self, fleet: str) -> AbstractSet[str]:
        """Return the ids of those that a new request could reach, in any pool of the fleet."""
        raise _not_declared("raw_serving")

    async def raw_kept(self, fleet: str) -> int | None:
        """Return the size of the group that *fleet* was adopted from; None when it is deleted."""
        raise _not_declared("raw_kept")

    async def raw_writers(self, fleet: str) -> Mapping[str, AbstractSet[str]]:
        """Return, by slot, the ids of all members that could write to its volumes now."""
        raise _not_declared("raw_writers")

    async def raw_read(self, fleet: str, slot: str, volume: str) -> str:
        """Return what `raw_write` wrote to a volume, as it is there now."""
        raise _not_declared("raw_read")

    async def send(self, fleet: str, count: int) -> Mapping[str, int]:
        """Send *count* requests to a fleet; return how many each member answered, by id."""
        raise _not_declared("send")

    # -- what others do behind the backend's back ----------------------------------------------

    async def raw_kill(self, fleet: str, instance: str) -> None:
        """Let a server die."""
        raise _not_declared("raw_kill")

    async def raw_fail_health(self, fleet: str, instance: str) -> None:
        """Let a server that runs on fail its health check from now on."""
        raise _not_declared("raw_fail_health")

    async def raw_resize(self, fleet: str, revision: int, size: int) -> None:
        """Set a group's size to a larger one, as a console or an autoscaler would."""
        raise _not_declared("raw_resize")

    async def raw_scale_in(self, fleet: str, revision: int) -> None:
        """Let automatic scaling try to take one member of a group away."""
        raise _not_declared("raw_scale_in")

    async def raw_protect(self, fleet: str, instance: str) -> None:
        """Protect a server from termination, as its owner would."""
        raise _not_declared("raw_protect")

    async def raw_bounds(
        self, fleet: str, revision: int, minimum: int, maximum: int | None
    ) -> None:
        """Set the bounds of a group's automatic scaling."""
        raise _not_declared("raw_bounds")

    async def raw_scaling(self, fleet: str, revision: int) -> None:
        """Give a group settings of automatic scaling that ``Group.settings`` tells."""
        raise _not_declared("raw_scaling")

    async def raw_lose_volume(self, fleet: str, slot: str, volume: str) -> None:
        """Let a volume of a slot that nobody has vanish, with its data."""
        raise _not_declared("raw_lose_volume")

    async def raw_write(self, fleet: str, slot: str, volume: str, text: str) -> None:
        """Write *text* to a volume of a slot that nobody has, over what was written so before."""
        raise _not_declared("raw_write")

    async def raw_foreign_group(self, name: str, size: int) -> None:
        """Make a group of *size* servers that is nobody's fleet, for ``adopt_fleet``."""
        raise _not_declared("raw_foreign_group")

    # -- what goes wrong -----------------------------------------------------------------------

    async def mishap(self, call: str, kind: Mishap) -> None:
        """Let the cloud be so to the next call of the backend's method *call*, and to no other.

        Raise ``super().mishap(call, kind)`` for what can't be had.
        """
        raise NotDeclared(f"mishap({call!r}, {kind})", _PURPOSES["mishap"])

    async def no_room(self, fleet: str, full: bool) -> None:
        """Let the cloud have no room for another server of a fleet, or have it again."""
        raise _not_declared("no_room")

    async def slow_drains(self, fleet: str, seconds: float) -> None:
        """Let each server of a fleet have something in flight that takes *seconds* more."""
        raise _not_declared("slow_drains")


_PURPOSES = {
    "image_source": "returns what an image can be built of",
    "make_fleet": "makes a fleet to work on",
    "mishap": "lets the next call of a method be throttled, lost, late or refused",
    "no_room": "lets the cloud have no room for further servers",
    "raw_bounds": "sets the bounds of automatic scaling",
    "raw_fail_health": "lets a server fail its health check",
    "raw_foreign_group": "makes a group that can be adopted",
    "raw_kept": "tells the size of an adopted group, or that it is deleted",
    "raw_kill": "lets a server die",
    "raw_lose_volume": "lets a volume vanish",
    "raw_members": "lists a group's servers as the cloud has them",
    "raw_protect": "protects a server as its owner would",
    "raw_read": "tells what a volume holds",
    "raw_resize": "sets a group's size as somebody else would",
    "raw_scale_in": "lets automatic scaling try to take a member",
    "raw_scaling": "gives a group settings of automatic scaling",
    "raw_serving": "lists the servers that the cloud sends requests to",
    "raw_write": "writes to a volume",
    "raw_writers": "lists who could write to each slot's volumes",
    "second": "makes another backend on the same cloud",
    "send": "sends requests and counts who answers",
    "slow_drains": "keeps something in flight on each server",
    "url": "is the address of a fleet, with {fleet} for its name",
}
"""What each way past the backend is for, as a reason to skip says it."""


def undeclared(author: Accessors, name: str) -> str | None:
    """Return why a check that uses the accessor *name* is skipped; None when it is there."""
    given = bool(author.url) if name == "url" else _overridden(author, name)
    return None if given else str(_not_declared(name))


def _overridden(author: Accessors, name: str) -> bool:
    return getattr(type(author), name) is not getattr(Accessors, name)


def _not_declared(name: str) -> NotDeclared:
    return NotDeclared(name, _PURPOSES[name])
