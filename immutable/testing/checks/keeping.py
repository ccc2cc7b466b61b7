"""Checks of volumes: who may write, what outlives what, what is saved, what alone removes data."""

from __future__ import annotations

import asyncio

from immutable.backend import (
    BackendError,
    CapacityShortage,
    Conflict,
    Context,
    FleetState,
    Gone,
    Instance,
    Invalid,
    Limits,
    Slot,
    SupportsCreate,
    SupportsRestore,
    SupportsVolumes,
    Transient,
    Volume,
)
from immutable.model import Status
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.checks.fleets import connected
from immutable.testing.outcome import Skipped
from immutable.testing.stage import OURS, THEIRS, Stage

_ABLE = ("volumes", SupportsVolumes)
_LOOKS = 5
"""So many looks at a slot that nobody may get."""


def _keeper(s: Stage) -> SupportsVolumes:
    assert isinstance(s.backend, SupportsVolumes)
    return s.backend


async def _made(s: Stage, size: int) -> list[Instance]:
    """Make a stateful fleet, and wait until *size* members are READY."""
    await _keeper(s).create_stateful_fleet(s.fleet, await s.revision(1), s.author.volumes)
    if not size:
        return []
    await s.grow(size, expected=0)
    return await s.ready(size)


def _kept(slots: tuple[Slot, ...]) -> dict[str, dict[str, str]]:
    """Return which volumes each slot has."""
    return {slot.name: dict(slot.volumes) for slot in slots}


async def _one_writer(s: Stage, state: FleetState) -> None:
    """Fail if two could write to one slot, past the backend where that can be asked."""
    held: dict[str, set[str]] = {}
    try:
        held = {slot: set(ids) for slot, ids in (await s.author.raw_writers(s.fleet)).items()}
    except Skipped:
        for each in state.instances:
            if each.slot:
                held.setdefault(each.slot, set()).add(each.id)
    for slot, ids in held.items():
        s.must(len(ids) < 2, f"slot {slot} can be written to by {', '.join(sorted(ids))}")


async def _left(s: Stage, *ids: str) -> FleetState:
    """Retire members, wait until they are gone and until their slots are free."""
    await s.see_off(*ids)
    return await s.until(
        lambda state: not {slot.holder for slot in state.slots} & set(ids),
        f"the slots of {', '.join(ids)} free",
    )


# -- who has a slot --------------------------------------------------------------------------------


@check("B1", "B2", "B3", size=None, needs=_ABLE)
async def a_slot_outlives_whoever_has_it(s: Stage) -> None:
    """Each member has a slot of its own; one that was left goes, as it was, to the next member."""
    old, _ = await _made(s, 2)
    before = await s.look()
    s.same(before.volumes, s.author.volumes, "the volumes that the fleet is told with")
    s.same(len(before.slots), 2, "the number of its slots")
    names = sorted(volume.name for volume in s.author.volumes)
    for slot in before.slots:
        s.same(sorted(slot.volumes), names, f"the volumes of slot {slot.name}")
        s.must(all(slot.volumes.values()), f"a volume without an identity: {slot}")
    holders = {each.id: each.slot for each in before.instances}
    s.same({slot.holder: slot.name for slot in before.slots}, holders, "who has which slot")
    after = await _left(s, old.id)
    free = [slot.name for slot in after.slots if not slot.holder]
    s.same(free, [holders[old.id]], "the slots that are free")
    s.same(_kept(after.slots), _kept(before.slots), "the volumes when one slot was left")
    await s.grow(2, expected=1)
    new = next(each for each in await s.ready(2) if each.id not in holders)
    s.same(new.slot, holders[old.id], "the slot of the member that came next")
    s.same(_kept((await s.look()).slots), _kept(before.slots), "the volumes when it was taken")


@check("B2", "B3", "B4", size=None, needs=_ABLE)
async def a_member_waits_for_its_slot(s: Stage) -> None:
    """One that is asked for while all slots are held comes when one is left, and not before."""
    (old,) = await _made(s, 1)
    before = await s.look()
    await s.hold()
    await s.create()
    left = await s.retire(old.id)
    try:
        await s.grow(1, expected=0, number=2)
    except CapacityShortage:
        s.must(True, "G4: a shortage may be told, and the size raised all the same")
    loop, due = asyncio.get_running_loop(), left.again
    end, next_call = loop.time() + 2 * s.patience + s.author.drain_timeout, loop.time()
    while True:
        state = await s.glance()
        await _one_writer(s, state)
        new = [each for each in state.members(2) if each.ready_since is not None]
        if new:
            break
        s.must(loop.time() < end, "the slot was left, and nobody has come")
        leaving = [each.id for each in state.members(1)]
        if leaving and due is not None and loop.time() >= next_call + due:
            next_call, due = loop.time(), (await s.retire(*leaving)).again
        await asyncio.sleep(s.author.poll or s.backend.capabilities.poll)
    s.same([each.slot for each in new], [old.slot], "the slot of the member that came")
    s.same(_kept((await s.look()).slots), _kept(before.slots), "the volumes")


@check("B5", size=None, needs=_ABLE, uses=("raw_lose_volume",))
async def a_slot_that_is_not_whole_is_given_to_nobody(s: Stage) -> None:
    """A volume that vanished is told as gone, is not made anew, and nobody starts without it."""
    (old,) = await _made(s, 1)
    await _left(s, old.id)
    lost = s.author.volumes[0].name
    await s.author.raw_lose_volume(s.fleet, old.slot, lost)
    (slot,) = (await s.look()).slots
    s.must(lost not in slot.volumes, f"a volume that vanished is told of: {slot}")
    try:
        await s.grow(1, expected=0)
    except (CapacityShortage, Invalid, Transient) as error:
        s.must(str(error), "grow: the error says nothing")
    for _ in range(_LOOKS):
        state = await s.look()
        takers = [each.id for each in state.instances if each.slot or each.ready_since]
        s.same(takers, [], "who has a slot that lacks a volume")
        s.must(lost not in state.slots[0].volumes, "a volume that vanished was made anew")
        await asyncio.sleep(s.author.poll or s.backend.capabilities.poll)


@check("B6", size=None, needs=_ABLE, uses=("mishap",))
async def a_growth_without_an_answer_makes_no_slot_twice(s: Stage) -> None:
    """A call that is repeated after a lost answer finds the slots and volumes that it has made."""
    await _made(s, 1)
    ctx = s.ctx()
    await s.author.mishap("grow", Mishap.LOST)
    await s.refused(s.grow(2, expected=1, ctx=ctx), Transient, "grow, whose answer is lost")
    s.same(await s.grow(2, expected=1, ctx=ctx), 2, "the size when it is repeated")
    await s.ready(2)
    first = (await s.look()).slots
    s.same([slot.name for slot in first], ["0", "1"], "the slots")
    identities = [each for slot in first for each in slot.volumes.values()]
    s.same(len(set(identities)), len(identities), "how many volumes, and how many different ones")
    s.same(len(identities), 2 * len(s.author.volumes), "the number of volumes")


# -- what outlives what ----------------------------------------------------------------------------


@check("B1", "B8", "B9", size=None, needs=(*_ABLE, "create_fleet"))
async def volumes_outlive_their_fleet(s: Stage) -> None:
    """A fleet that is deleted leaves its slots to the next of its name; they go when told to."""
    keeper, backend = _keeper(s), s.backend
    assert isinstance(backend, SupportsCreate)
    (old,) = await _made(s, 1)
    before = _kept((await s.look()).slots)
    revision, volumes = await s.revision(1), s.author.volumes
    again = keeper.create_stateful_fleet(s.fleet, revision, volumes)
    await s.refused(again, Conflict, "making a fleet of a name that is taken")
    await s.refused(keeper.remove_slots(s.fleet, tuple(before)), Conflict, "removing slots in use")
    await _left(s, old.id)
    what = "removing slots of a fleet that is there"
    await s.refused(keeper.remove_slots(s.fleet, tuple(before)), Conflict, what)
    await backend.delete_fleet(s.fleet)
    s.same(_kept(await keeper.kept_slots(s.fleet)), before, "what a deleted fleet has left")
    other = keeper.create_stateful_fleet(s.fleet, revision, (Volume("other", "/other"),))
    await s.refused(other, Conflict, "giving kept slots to a fleet with other volumes")
    await keeper.create_stateful_fleet(s.fleet, revision, volumes)
    s.same(_kept((await s.look()).slots), before, "the slots of the next fleet of that name")
    await backend.delete_fleet(s.fleet)
    missing = keeper.remove_slots(s.fleet, ("4711",))
    await s.refused(missing, Gone, "removing a slot that there isn't")
    await keeper.remove_slots(s.fleet, tuple(before))
    s.same(await keeper.kept_slots(s.fleet), (), "the slots when they are removed")


@check("B1", "B2", size=None, needs=_ABLE, uses=("url",))
async def a_stateful_fleet_is_replaced(s: Stage) -> None:
    """The engine replaces slot by slot, to the end: the same volumes, new holders."""
    await _made(s, 2)
    before = await s.look()
    limits = Limits(
        max_surge=0,
        max_unavailable=1,
        min_ready=0,
        boot_timeout=s.patience,
        drain_timeout=s.author.drain_timeout,
    )
    async with connected(s) as fleet:
        result = await fleet.replace(s.author.images[1], limits=limits)
    s.same(result.status, Status.SUCCEEDED, "how the rollout ended")
    state = await s.look()
    s.same(_kept(state.slots), _kept(before.slots), "the volumes after the replacement")
    old = {slot.holder for slot in before.slots}
    new = {slot.holder for slot in state.slots}
    s.must(len(new) == len(old) and not new & old, f"held by {sorted(old)}, now by {sorted(new)}")
    await _one_writer(s, state)


# -- snapshots -------------------------------------------------------------------------------------


async def _saved(s: Stage, slot: str, ctx: Context) -> str:
    """Save a slot, and ask again until that is done."""
    loop = asyncio.get_running_loop()
    end = loop.time() + s.patience
    while not (saved := await _keeper(s).snapshot(s.fleet, slot, ctx)):
        s.must(loop.time() < end, f"a snapshot of slot {slot} doesn't come to its end")
        await asyncio.sleep(s.author.poll or s.backend.capabilities.poll)
    return saved


@check("B7", "K5", size=None, needs=(*_ABLE, "snapshots"))
async def a_snapshot_is_of_a_slot_that_nobody_has(s: Stage) -> None:
    """It is refused while somebody could write, taken once, and old once somebody had the slot."""
    keeper = _keeper(s)
    (old,) = await _made(s, 1)
    held = keeper.snapshot(s.fleet, old.slot, s.ctx())
    await s.refused(held, Conflict, "saving a slot that a member has")
    missing = keeper.snapshot(s.fleet, "4711", s.ctx())
    await s.refused(missing, Gone, "saving a slot that there isn't")
    await _left(s, old.id)
    await s.hold()
    theirs = keeper.snapshot(s.fleet, old.slot, s.ctx(THEIRS))
    await s.refused(theirs, Conflict, "saving a slot of a fleet that is held", owner=OURS)
    first = await _saved(s, old.slot, s.ctx())
    s.same(await _saved(s, old.slot, s.ctx()), first, "the same slot, saved again")
    s.same([slot.saved for slot in (await s.look()).slots], [first], "the snapshot in a look")
    await s.grow(1, expected=0)
    (new,) = await s.ready(1)
    s.same([slot.saved for slot in (await s.look()).slots], [""], "what is saved of a held slot")
    await _left(s, new.id)
    s.must(await _saved(s, old.slot, s.ctx()) != first, "an old snapshot passes for a new one")


@check("B7", size=None, needs=(*_ABLE, "snapshots"), uses=("mishap",))
async def a_snapshot_without_an_answer_is_found_again(s: Stage) -> None:
    """Who asks again after a lost answer gets what was taken then."""
    (old,) = await _made(s, 1)
    await _left(s, old.id)
    ctx = s.ctx()
    await s.author.mishap("snapshot", Mishap.LOST)
    try:
        await _keeper(s).snapshot(s.fleet, old.slot, ctx)
    except BackendError as error:
        s.must(isinstance(error, Transient), f"a lost answer is told as {error!r}")
    taken = await s.until(
        lambda state: not any(slot.saving for slot in state.slots), "the snapshot complete"
    )
    s.must(taken.slots[0].saved, "what was taken without an answer can't be seen")
    found = await _saved(s, old.slot, ctx)
    s.same(found, taken.slots[0].saved, "the snapshot that is told to who asks again")


@check(
    "B10",
    size=None,
    needs=(*_ABLE, "snapshots", SupportsRestore),
    uses=("raw_write", "raw_read"),
)
async def a_slot_that_nobody_has_is_brought_back(s: Stage) -> None:
    """Refused while somebody has it or a rollout holds the fleet; then all of it, nothing lost."""
    backend, name = s.backend, s.author.volumes[0].name
    assert isinstance(backend, SupportsRestore)
    (old,) = await _made(s, 1)
    await _left(s, old.id)
    await s.author.raw_write(s.fleet, old.slot, name, "first")
    first = await _saved(s, old.slot, s.ctx())
    await s.grow(1, expected=0)
    (new,) = await s.ready(1)
    held = backend.restore_slot(s.fleet, old.slot, first)
    await s.refused(held, Conflict, "restoring a slot that a member has")
    await _left(s, new.id)
    await s.author.raw_write(s.fleet, old.slot, name, "second")
    await s.hold()
    theirs = backend.restore_slot(s.fleet, old.slot, first)
    await s.refused(theirs, Conflict, "restoring a slot of a fleet that is held", owner=OURS)
    await s.release()
    missing = backend.restore_slot(s.fleet, old.slot, "no-such-snapshot")
    await s.refused(missing, Gone, "restoring a snapshot that isn't there")
    await backend.restore_slot(s.fleet, old.slot, first)
    s.same(await s.author.raw_read(s.fleet, old.slot, name), "first", "what is restored")
    there = await backend.slot_snapshots(s.fleet, old.slot)
    s.must(len(there) == 2 and first in there, f"{first} and what was there before: {there}")
    (other,) = [each for each in there if each != first]
    await backend.restore_slot(s.fleet, old.slot, other)
    s.same(await s.author.raw_read(s.fleet, old.slot, name), "second", "what was there before")
