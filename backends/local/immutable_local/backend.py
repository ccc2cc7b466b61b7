"""The contract on one machine: fleets of real processes behind a real load balancer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Self

from attrs import evolve

from immutable.backend import (
    Assurance,
    Backend,
    Capabilities,
    Clock,
    Conflict,
    Context,
    FleetState,
    FleetURL,
    Gone,
    Group,
    Image,
    Inspection,
    Invalid,
    Limits,
    Plan,
    Pool,
    Problem,
    Reading,
    Retiring,
    Revision,
    Slot,
    Transient,
    Volume,
    from_json,
    to_json,
)
from immutable.errors import InvalidValue
from immutable_local import daemon, keeping, pids, preflight, processes
from immutable_local.balancing.choosing import choice
from immutable_local.disk import locked, remove_tree, reporting
from immutable_local.images import ImageStore, LocalImage
from immutable_local.inspecting import inspection
from immutable_local.launches import Isolation
from immutable_local.places import FleetPlaces, Places
from immutable_local.records import FleetRecord, load, save
from immutable_local.rpc import Nobody, ask
from immutable_local.sandbox import find_bubblewrap, probe

__all__ = ["LocalBackend"]

_ANSWER = 20.0
_FRONT_PORTS = (26000, 26999)
_SETTINGS = ("balancer", "isolation", "port")


class LocalBackend(Backend):
    """Fleets on this machine: ``local://web``.

    An image is a directory packed by its content, an instance a process that can't change what it
    runs from, the fleet stands behind HAProxy or a proxy of our own. Linux only.

    How a fleet is made (its template): ``port`` of its front end, ``balancer`` (``haproxy``,
    ``builtin``), ``isolation`` (``bubblewrap``, ``none``); each is chosen when it isn't given.

    Args:
        places: Where everything is kept.
    """

    contract = 1
    identifying: ClassVar[tuple[str, ...]] = ("dir",)
    checks_secrets: ClassVar[tuple[str, ...]] = ("file",)
    capabilities = Capabilities(
        create_fleet=True,
        weighted_traffic=True,
        weight_step=1.0,
        traffic_stats=True,
        volumes=True,
        snapshots=True,
        changes=True,
        poll=0.2,
        late_effect=5.0,
        boot=0.3,
        drain=1.0,
        terminate=0.1,
        limits=Limits(min_ready=1, boot_timeout=30, drain_timeout=30),
    )

    def __init__(self, places: Places) -> None:
        self._places = places
        self._images = ImageStore(places.images)
        self._notes: dict[str, tuple[str, ...]] = {}

    @property
    def store(self) -> ImageStore:
        """Where the images are kept."""
        return self._images

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return the backend of this machine; ``?dir=`` says where to keep things.

        Raises:
            InvalidValue: The URL names a place, or an option that there isn't.
        """
        if url.location:
            way_out = f"write local://{url.name}"
            raise InvalidValue("url", url.location, "local:// has no places", way_out)
        for name in url.options:
            if name not in cls.identifying:
                raise InvalidValue("url", name, "not an option of local://", "dir is the only one")
        return cls(Places.at(url.options.get("dir")))

    async def open(self) -> None:
        """Make sure that this can work here."""
        if sys.platform != "linux":
            raise Invalid("the local backend needs Linux; use memory:// elsewhere")

    async def close(self) -> None:
        """Do nothing: supervisors go on."""

    def notes(self, fleet: str) -> tuple[str, ...]:
        """Return where the fleet listens, how isolated it is, and what happened."""
        return self._notes.get(fleet, ())

    # -- asking the supervisor -----------------------------------------------------------------

    async def _ask(self, fleet: str, call: str, **arguments: Any) -> Any:
        """Ask the fleet's supervisor, which is started first if there is none."""
        places = self._places.fleet(fleet)
        if not await asyncio.to_thread(places.record.exists):
            raise Gone(f"no fleet {fleet} on this machine")
        for _ in range(3):
            try:
                return await ask(places.socket, call, arguments, seconds=_ANSWER)
            except Nobody:
                await self._start(places)
        raise Transient(f"the supervisor of {fleet} does not stay up; see {places.logs}")

    async def _start(self, places: FleetPlaces) -> None:
        await asyncio.to_thread(places.make)
        await asyncio.to_thread(daemon.start, places, self._places.images)

    async def _change(
        self, fleet: str, call: str, revision: int, ctx: Context, **arguments: Any
    ) -> Any:
        return await self._ask(fleet, call, revision=revision, **_caller(ctx), **arguments)

    # -- looking -------------------------------------------------------------------------------

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets."""
        return await asyncio.to_thread(self._places.fleets)

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is."""
        answer = await self._ask(fleet, "observe")
        self._notes[fleet] = await self._known(fleet, answer["notices"])
        state: FleetState = from_json(FleetState, answer["state"])
        return state

    async def changed(self, fleet: str, since: int) -> None:
        """Return when the supervisor has counted a change; its end is a `Transient`."""
        places = self._places.fleet(fleet)
        if not await asyncio.to_thread(places.record.exists):
            raise Gone(f"no fleet {fleet} on this machine")
        try:
            await ask(places.socket, "changed", {"since": since}, seconds=None)
        except Nobody:
            raise Transient(f"nobody keeps {fleet}: the next look starts a supervisor") from None

    async def inspect(self, fleet: str) -> Inspection:
        """Compare every instance's files and process with its image and its revision."""
        places = self._places.fleet(fleet)
        if not await asyncio.to_thread(places.record.exists):
            raise Gone(f"no fleet {fleet} on this machine")
        return await asyncio.to_thread(inspection, places, self._images)

    async def _known(self, fleet: str, notices: list[str]) -> tuple[str, ...]:
        record = await asyncio.to_thread(load, self._places.fleet(fleet).record, FleetRecord)
        front = f"http://127.0.0.1:{record.port} by {record.balancer}"
        isolation = f"isolation={record.isolation}"
        if record.isolation == Isolation.NONE:
            isolation += ": instances can change what they run from"
        return (front, isolation, *notices)

    async def resolve(self, reference: str) -> Image:
        """Return the image of a digest, a name:version, or a directory, which is packed."""
        return _known_image(await asyncio.to_thread(self._images.resolve, reference))

    async def build_image(self, source: str) -> Image:
        """Pack a directory."""
        return _known_image(await asyncio.to_thread(self._images.pack, source))

    async def images(self) -> tuple[Image, ...]:
        """Return the images that are kept."""
        found = await asyncio.to_thread(self._images.images)
        return tuple(_known_image(image) for image in found)

    async def collect_images(
        self, keep: Collection[str], *, older: float, dry_run: bool
    ) -> tuple[Image, ...]:
        """Remove images that no fleet has a group of, but some, and young ones."""
        gone = await asyncio.to_thread(self._collected, keep, older, dry_run)
        return tuple(_known_image(image) for image in gone)

    def _collected(
        self, keep: Collection[str], older: float, dry_run: bool
    ) -> tuple[LocalImage, ...]:
        doomed: tuple[LocalImage, ...] = ()

        def kept() -> set[str]:
            nonlocal doomed
            needed = {*keep, *self._running()}
            doomed = tuple(each for each in self._images.old(older) if each.digest not in needed)
            every = {each.digest for each in self._images.images()}
            return needed | every - {each.digest for each in doomed}

        if dry_run:
            kept()
        else:
            self._images.collect(kept)
        return doomed

    def _running(self) -> Iterator[str]:
        """Return the images that fleets have groups of."""
        for name in self._places.fleets():
            record = load(self._places.fleet(name).record, FleetRecord)
            yield from (group.revision.image.digest for group in record.groups)

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Look for the images, intact, for ports, and for secrets in files of this machine."""
        folder = self._places.fleet(fleet).state
        return await asyncio.to_thread(preflight.problems, self._images, folder, plan)

    # -- changing ------------------------------------------------------------------------------

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Make the empty group of a new revision."""
        await self._change(
            fleet,
            "create_revision",
            revision.number,
            ctx,
            new=to_json(revision),
            pool=pool.value,
            until=until,
        )

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Raise a group's size; the supervisor launches what is missing."""
        left = await self._change(fleet, "grow", revision, ctx, size=size, expected=expected)
        return int(left)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Lower a group's size to its members."""
        return int(await self._change(fleet, "settle", revision, ctx))

    async def retire(
        self,
        fleet: str,
        revision: int,
        ids: tuple[str, ...],
        *,
        drain_timeout: float,
        ctx: Context,
    ) -> Retiring:
        """Let members drain and end; the supervisor sees to it."""
        size = await self._change(
            fleet, "retire", revision, ctx, ids=list(ids), drain_timeout=drain_timeout
        )
        return Retiring(int(size))

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Divide all requests from here on, on whatever connection they arrive."""
        table = {str(number): weight for number, weight in weights.items()}
        await self._ask(fleet, "route", weights=table, **_caller(ctx))

    async def traffic(self, fleet: str) -> Reading:
        """Return the balancer's counters: a series for each instance, since it joined."""
        reading: Reading = from_json(Reading, await self._ask(fleet, "traffic"))
        return reading

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Remove an empty group."""
        await self._change(fleet, "delete_revision", revision, ctx)

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the holder on the group."""
        await self._change(fleet, "hold", revision, ctx, until=until)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """End the hold."""
        await self._change(fleet, "release", revision, ctx)

    # -- making and removing fleets ------------------------------------------------------------

    async def create_fleet(self, fleet: str, revision: Revision) -> None:
        """Make an empty fleet, its supervisor and its load balancer."""
        await self._make(fleet, await asyncio.to_thread(self._first_record, fleet, revision))

    async def create_stateful_fleet(
        self, fleet: str, revision: Revision, volumes: tuple[Volume, ...]
    ) -> None:
        """Make an empty fleet whose slots have volumes; slots that are kept are its own."""
        record = await asyncio.to_thread(self._first_record, fleet, revision)
        kept = await asyncio.to_thread(keeping.kept_for, self._places.fleet(fleet), volumes)
        await self._make(fleet, evolve(record, volumes=volumes, slots=kept))

    async def _make(self, fleet: str, record: FleetRecord) -> None:
        places = self._places.fleet(fleet)
        if await asyncio.to_thread(places.record.exists):
            raise Conflict(f"there is a fleet {fleet} already")
        try:
            await asyncio.to_thread(places.make)
            await asyncio.to_thread(save, places.record, record)
            await self._start(places)
        except BaseException:
            await asyncio.to_thread(_remove, places)
            raise

    def _first_record(self, fleet: str, revision: Revision) -> FleetRecord:
        settings = revision.template
        unknown = sorted(set(settings) - set(_SETTINGS))
        if unknown:
            known = ", ".join(_SETTINGS)
            raise Invalid(f"local fleets have no setting {unknown[0]}; there are: {known}")
        if problems := preflight.secret_problems(self._images, revision):
            raise Invalid("; ".join(map(str, problems)))
        self._images.unpack(revision.image.digest)
        return FleetRecord(
            name=fleet,
            port=_front_port(settings),
            balancer=choice(settings.get("balancer")).balancer.name,
            isolation=_isolation(settings.get("isolation")),
            boot=pids.boot(),
            groups=(Group(revision, 0),),
            last_revision=revision.number,
        )

    async def snapshot(self, fleet: str, slot: str, ctx: Context) -> str:
        """Copy a slot's volumes; the answer is the directory that they were copied to."""
        return str(await self._ask(fleet, "snapshot", slot=slot, **_caller(ctx)))

    async def kept_slots(self, fleet: str) -> tuple[Slot, ...]:
        """Return the slots of a fleet, or of one that was deleted."""
        if fleet in await self.fleets():
            return (await self.observe(fleet)).slots
        return await asyncio.to_thread(keeping.kept, self._places.fleet(fleet))

    async def remove_slots(self, fleet: str, names: tuple[str, ...]) -> None:
        """Remove what a deleted fleet has left."""
        await asyncio.to_thread(keeping.remove_kept, self._places.fleet(fleet), names)

    async def slot_snapshots(self, fleet: str, slot: str) -> tuple[str, ...]:
        """Return the directories of a slot's snapshots, the newest first."""
        return await asyncio.to_thread(keeping.snapshots_kept, self._places.fleet(fleet), slot)

    async def restore_slot(self, fleet: str, slot: str, snapshot: str) -> None:
        """Copy a snapshot to where the volumes are, under the lock of the slot."""
        held = (await self.observe(fleet)).groups if fleet in await self.fleets() else ()
        where = self._places.fleet(fleet)
        await asyncio.to_thread(keeping.restore_kept, where, held, slot, snapshot)

    async def delete_fleet(self, fleet: str) -> None:
        """End the load balancer and the supervisor, and remove what was made for the fleet."""
        await self._ask(fleet, "delete")
        places = self._places.fleet(fleet)
        await asyncio.to_thread(_remove, places)


def _caller(ctx: Context) -> dict[str, Any]:
    return {"rollout": ctx.rollout, "plan": ctx.plan, "fence": ctx.fence}


def _known_image(image: LocalImage) -> Image:
    return Image(
        artifact=image.digest,
        digest=image.digest,
        assurance=Assurance.CONTENT,
        name=image.name,
        version=image.version,
    )


def _front_port(settings: Mapping[str, str]) -> int:
    wanted = settings.get("port")
    if wanted is None:
        return processes.free_port((), *_FRONT_PORTS)
    if not wanted.isdigit() or not 1 <= int(wanted) <= 65535:
        raise Invalid(f"port={wanted!r}: no port; write a number from 1 to 65535")
    return int(wanted)


def _isolation(wanted: str | None) -> str:
    if wanted == Isolation.NONE:
        return Isolation.NONE.value
    if wanted not in (None, Isolation.BUBBLEWRAP):
        raise Invalid(f"isolation={wanted!r}: unknown; write bubblewrap or none")
    bwrap = find_bubblewrap()
    reason = probe(bwrap) if bwrap is not None else "bubblewrap is not installed"
    if reason is None:
        return Isolation.BUBBLEWRAP.value
    if wanted is not None:
        raise Invalid(f"isolation=bubblewrap can't be had here: {reason}; write isolation=none")
    return Isolation.NONE.value


def _remove(places: FleetPlaces) -> None:
    """Remove what was made for a fleet; its record first, for with it goes the fleet."""
    with reporting(f"removing fleet {places.name}"), locked(places.lock):
        # The lock is free when the supervisor has ended.
        places.record.unlink(missing_ok=True)
        for folder in (places.state, places.runtime):
            if folder.exists():
                remove_tree(folder)
