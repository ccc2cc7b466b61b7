"""The cloud's part on one machine: keeps groups at their size, instances alive, traffic flowing.

One detached process for each fleet, crash-only: it can be killed at any instruction, and whoever
comes next starts another one that goes on from what is written down and what really runs. Balancer
and instances are processes of their own and don't notice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from pathlib import Path

from attrs import evolve

from immutable.backend import (
    BackendError,
    CapacityShortage,
    FrozenMap,
    Instance,
    InstanceState,
    Invalid,
    QuotaExceeded,
    Reading,
    Revision,
    Transient,
    Trouble,
    TroubleKind,
)
from immutable_local import guest, pids, processes
from immutable_local.balancing.base import Balancer
from immutable_local.balancing.members import Member
from immutable_local.balancing.shares import weighed
from immutable_local.changes import Changes
from immutable_local.disk import clear_drafts, reporting
from immutable_local.images import ImageStore, LocalImage
from immutable_local.launches import Isolation
from immutable_local.life import Life
from immutable_local.logs import tidy
from immutable_local.places import FleetPlaces
from immutable_local.records import FleetRecord, InstanceRecord, load, save
from immutable_local.routing import reading
from immutable_local.running import Process
from immutable_local.slots import Slots
from immutable_local.volumes import Grip

__all__ = ["Supervisor"]

_log = logging.getLogger("immutable_local")

_LOOK_AROUND = 1.0
_YOUNG = 10.0
_LONGEST_PAUSE = 5.0
_NOTICES_KEPT = 5
_RESTARTED = "the load balancer had ended and was started again"


class Supervisor:
    """Keeps one fleet as its record wants it.

    Args:
        places: Where the fleet keeps things.
        record: What is wanted.
        images: Where images are.
        balancer: The fleet's load balancer.
        bwrap: Where bubblewrap is, for isolated instances.

    Attributes:
        record: What is wanted, as it is written down.
        slots: The slots of a fleet with volumes.
        changes: What has changed so far, of what `calls` tells to those who look.
        changing: Held from looking at the record until `change` is over, so that of two changes
            at once none is lost.
    """

    def __init__(
        self,
        places: FleetPlaces,
        record: FleetRecord,
        images: ImageStore,
        balancer: Balancer,
        bwrap: Path | None,
    ) -> None:
        self.record = record
        self._places = places
        self._images = images
        self._balancer = balancer
        self._bwrap = bwrap
        self._lives: dict[str, Life] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unpacked: dict[str, LocalImage] = {}
        self._troubles: dict[int, Trouble] = {}
        self._not_before: dict[int, float] = {}
        self._crashes: dict[int, int] = {}
        self._published: dict[str, Member] | None = None
        self.changes = Changes()
        self.slots = Slots(places.volumes, self.changes.note)
        self.changing = asyncio.Lock()
        self._publishing = asyncio.Lock()
        self._awake = asyncio.Event()
        self._over = asyncio.Event()

    # -- from beginning to end -----------------------------------------------------------------

    async def start(self) -> None:
        """Take everything over that runs, and bring the balancer to it.

        Raises:
            BackendError: The balancer can't be started.
        """
        await self._balancer.start()
        if self.record.boot != pids.boot():
            notice = "the machine was started again: the instances of before are lost"
            async with self.changing:
                await self.change(evolve(self.record, boot=pids.boot()), notice=notice)
        # Who was killed between telling the balancer and writing it down left members with requests
        # in flight that are ready by no record: what the balancer knows has joined.
        members = await self._balancer.traffic()
        for record in await asyncio.to_thread(self._read_instances):
            self._lives[record.id] = life = Life(record, self)
            life.joined |= record.id in members
            self._tasks[record.id] = asyncio.create_task(self._live_on(life))
        await self._end_strangers()
        await self.publish()

    def _read_instances(self) -> list[InstanceRecord]:
        with reporting(f"reading {self._places.instances}"):
            for folder in (self._places.state, self._places.instances):
                clear_drafts(folder)
            return [load(file, InstanceRecord) for file in self._places.instances.glob("*.json")]

    async def _end_strangers(self) -> None:
        """End what carries this fleet's marks and was never written down."""
        known = {
            life.record.identity["started"]["pid"]
            for life in self._lives.values()
            if life.record.identity is not None
        }
        for _, pid in await processes.scan(self._places.state):
            if pid in known:
                continue
            identity = await processes.identify(self._places.state, pid)
            process = await processes.adopt(identity) if identity is not None else None
            if process is not None:
                await process.kill()
                await process.wait_dead()

    async def run(self) -> None:
        """Keep the fleet until it is told to stop; what runs is left running."""
        while not self._over.is_set():
            self._awake.clear()
            await self._heal()
            try:
                async with asyncio.timeout(_LOOK_AROUND):
                    await self._awake.wait()
            except TimeoutError:
                await self._keep_balancer()
                await self.publish()
                await asyncio.to_thread(tidy, self._places.logs, tuple(self._lives))
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._balancer.close()

    def stop(self) -> None:
        """Let `run` return."""
        self._over.set()
        self.changes.end()
        self.wake()

    def wake(self) -> None:
        """Look after the fleet now."""
        self._awake.set()
        for life in self._lives.values():
            life.tell()

    async def remove(self) -> None:
        """End the balancer; the fleet has no instances any more."""
        await self._balancer.stop()

    # -- what is wanted ------------------------------------------------------------------------

    async def change(self, record: FleetRecord, *, notice: str = "") -> None:
        """Write down what is wanted from here on; only then is it wanted.

        For holders of `changing`.

        Raises:
            BackendError: It can't be written down; everything stays as it was.
        """
        assert self.changing.locked(), "what is changed must be what is there"
        if notice:
            _log.warning(notice)
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
            notices = (*record.notices, f"{stamp} UTC: {notice}")
            record = evolve(record, notices=notices[-_NOTICES_KEPT:])
        await asyncio.to_thread(save, self._places.record, record)
        self.record = record
        self.changes.note()
        self.wake()

    def live(self, revision: int) -> list[str]:
        """Return the instances of a revision that aren't leaving, the oldest first."""
        return [
            name
            for name, life in self._lives.items()
            if life.record.revision == revision and name not in self.record.leaving
        ]

    def instances(self) -> tuple[Instance, ...]:
        """Return all instances as an observer sees them."""
        leaving, lives = self.record.leaving, self._lives.items()
        return tuple(life.record.seen(leaving=name in leaving) for name, life in lives)

    def holders(self) -> dict[str, str]:
        """Return who has a slot, by its name: all that are there, those that leave too."""
        return {life.record.slot: name for name, life in self._lives.items() if life.record.slot}

    def ready(self, revision: int) -> bool:
        """Whether any member of a revision is READY."""
        ready = InstanceState.READY
        return any(each.revision == revision and each.state is ready for each in self.instances())

    async def traffic(self) -> Reading:
        """Return what went through to each member that is there, since it joined.

        Raises:
            Transient: The balancer doesn't answer.
        """
        return reading(self.record.groups, await self._balancer.traffic())

    def trouble(self, revision: int) -> Trouble | None:
        """Return why the last launch of a revision failed, if it did."""
        return self._troubles.get(revision)

    # -- healing -------------------------------------------------------------------------------

    async def _heal(self) -> None:
        for group in self.record.groups:
            if not self._missing(group.number):
                continue
            if self._not_before.get(group.number, 0.0) <= time.monotonic():
                await self._fill(group.revision)

    def _missing(self, revision: int) -> int:
        group = self.record.group(revision)
        return max(0, group.size - len(self.live(revision))) if group is not None else 0

    async def _fill(self, revision: Revision) -> None:
        try:
            image = await self._image(revision)
            # Not while a change is written down, and by what is wanted now: a size that is being
            # lowered must not be filled first.
            async with self.changing:
                for _ in range(self._missing(revision.number)):
                    grip = await self.slots.take(self.record, self.holders())
                    self._launch(revision, image, grip)
        except BackendError as error:
            self._note_trouble(revision.number, error)

    def _launch(self, revision: Revision, image: LocalImage, grip: Grip) -> None:
        taken = {self.record.port, *(life.record.port for life in self._lives.values())}
        record = InstanceRecord(
            id=f"i-{secrets.token_hex(4)}",
            revision=revision.number,
            port=processes.free_port(taken),
            state=InstanceState.STARTING,
            launched_at=time.time(),
            slot=grip.slot,
        )
        life = self._lives[record.id] = Life(record, self)
        self._tasks[record.id] = asyncio.create_task(self._live(life, revision, image, grip))

    async def _image(self, revision: Revision) -> LocalImage:
        """Return a revision's image, unpacked, and exactly what its digest says."""
        digest = revision.image.digest
        image = self._unpacked.get(digest)
        if image is None:
            image = await asyncio.to_thread(self._images.resolve, digest)
            await asyncio.to_thread(self._images.unpack, digest)
            self._unpacked[digest] = image
        changed = await asyncio.to_thread(self._images.verify, digest)
        if changed:
            names = ", ".join(changed[:5])
            raise Invalid(
                f"image {image} was changed on disk ({names}): nothing is started from it;"
                " pack it under another version, or let go of its tree as the README says"
            )
        return image

    def _note_trouble(self, revision: int, error: BackendError) -> None:
        passing = isinstance(error, (CapacityShortage, QuotaExceeded, Transient))
        kind = TroubleKind.SHORTAGE if passing else TroubleKind.REFUSED
        self._troubles[revision] = Trouble(kind, str(error))
        self.changes.note()
        self._pause(revision)
        _log.warning("r%s: %s", revision, error)

    def _pause(self, revision: int) -> None:
        """Wait before the next launch, longer each time it goes wrong."""
        self._crashes[revision] = failures = self._crashes.get(revision, 0) + 1
        pause = min(_LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10))
        self._not_before[revision] = time.monotonic() + pause
        asyncio.get_running_loop().call_later(pause, self._awake.set)

    # -- lives ---------------------------------------------------------------------------------

    async def _live(self, life: Life, revision: Revision, image: LocalImage, grip: Grip) -> None:
        process = None
        try:
            with grip:
                process = await life.begin(
                    revision,
                    image,
                    self._places.name,
                    self._places.state,
                    self._places.logs / f"{life.record.id}.log",
                    Isolation(self.record.isolation),
                    self._bwrap,
                    grip,
                )
            if process is not None:
                self._troubles.pop(revision.number, None)
                self.changes.note()
                await life.live(process, image.health)
        except BackendError as error:
            life.failure = error
        await self._bury(life, process)

    async def _live_on(self, life: Life) -> None:
        group, process = self.record.group(life.record.revision), None
        try:
            process = await life.resume()
            if process is not None and group is not None:
                image = await asyncio.to_thread(self._images.resolve, group.revision.image.digest)
                await life.live(process, image.health)
        except BackendError as error:
            life.failure = error
        await self._bury(life, process)

    async def _bury(self, life: Life, process: Process | None) -> None:
        """Forget an instance that is gone; its place is filled again unless it was to leave."""
        if process is not None and process.alive:
            await process.kill()
            await process.wait_dead()
        self._note_end(life)
        self._lives.pop(life.record.id, None)
        self._tasks.pop(life.record.id, None)
        self.changes.note()
        await self.publish()
        try:
            await self._strike_off(life.record.id)
        except BackendError as error:
            _log.warning("%s can't be struck off: %s", life.record.id, error)
        self.wake()

    def _note_end(self, life: Life) -> None:
        name, number = life.record.id, life.record.revision
        if life.failure is not None:
            self._note_trouble(number, life.failure)
        elif name not in self.record.leaving:
            _log.warning("%s of r%s ended by itself", name, number)
            if time.time() - life.record.launched_at < _YOUNG:
                self._pause(number)
        else:
            self._crashes.pop(number, None)

    async def _strike_off(self, name: str) -> None:
        with reporting(f"removing the record of {name}"):
            await asyncio.to_thread(guest.forget, name)
            file = self._places.instances / f"{name}.json"
            await asyncio.to_thread(file.unlink, missing_ok=True)
        async with self.changing:
            # With those whose end could not be written down before.
            leaving = {n: at for n, at in self.record.leaving.items() if n in self._lives}
            if len(leaving) < len(self.record.leaving):
                await self.change(evolve(self.record, leaving=FrozenMap(leaving)))

    # -- what lives ask for (`House`) ----------------------------------------------------------

    async def write(self, record: InstanceRecord) -> None:
        """Write an instance's record down; what it tells holds already, written down or not."""
        self.changes.note()
        await asyncio.to_thread(save, self._places.instances / f"{record.id}.json", record)

    def leaves_at(self, instance: str) -> float | None:
        """Return when an instance is to be gone at the latest; None while it stays."""
        return self.record.leaving.get(instance)

    async def in_flight(self, instance: str) -> int:
        """Return how many requests an instance has in flight; none when the balancer is down."""
        try:
            traffic = await self._balancer.traffic()
        except Transient:
            return 0
        return traffic[instance].in_flight if instance in traffic else 0

    async def publish(self) -> bool:
        """Bring the balancer to the present membership; what fails is tried again by `run`."""
        async with self._publishing:
            members = self._members()
            if members == self._published:
                return True
            try:
                await self._apply(members)
            except BackendError as error:
                _log.warning("the load balancer can't be told its members: %s", error)
                return False
            return True

    def _members(self) -> dict[str, Member]:
        members = {
            name: Member(
                id=name,
                host="127.0.0.1",
                port=life.record.port,
                revision=life.record.revision,
                draining=name in self.record.leaving or life.record.state is InstanceState.UNREADY,
            )
            for name, life in self._lives.items()
            if life.joined
        }
        shares = self.record.weights
        return weighed(members.values(), shares) if shares else members

    async def _apply(self, members: dict[str, Member]) -> None:
        self._published = None  # Until it is known to have all of them.
        try:
            await self._balancer.apply(members)
        except Transient as error:
            _log.warning("the load balancer is started again: %s", error)
            await self._balancer.start()
            await self._balancer.apply(members)
        self._published = members

    async def _keep_balancer(self) -> None:
        """Start a balancer that died again, with everybody in it."""
        if await self._balancer.alive():
            return
        async with self._publishing:
            try:
                await self._balancer.start()
                await self._apply(self._members())
                async with self.changing:
                    await self.change(self.record, notice=_RESTARTED)
            except BackendError as error:
                _log.warning("the load balancer can't be started: %s", error)
