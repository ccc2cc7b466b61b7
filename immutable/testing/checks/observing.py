"""Checks of ``observe`` and ``fleets``, and of what every method owes its caller."""

from __future__ import annotations

import asyncio
import time

from immutable.backend import Denied, Gone, InstanceState, Throttled, Transient
from immutable.testing.accessors import Mishap
from immutable.testing.check import check
from immutable.testing.stage import Stage

READY, STARTING = InstanceState.READY, InstanceState.STARTING
NEVER_A_CURSOR = 1 << 40
_BLOCKED = 1.0


@check("V1", "V3", "C1", size=3)
async def a_fleet_is_told_as_it_is(s: Stage) -> None:
    """Every member that exists is listed once, with its stamps, and nobody else."""
    members = await s.ready(3)
    state = await s.look()
    s.same((state.fleet, state.last_revision), (s.fleet, 1), "fleet and last_revision")
    s.must(state.complete, "a look without a cursor is not complete")
    s.same([(g.number, g.size) for g in state.groups], [(1, 3)], "groups and sizes")
    s.same({each.revision for each in members}, {1}, "the members' revisions")
    await s.spared({each.id for each in members})


@check("V1", uses=("raw_members",))
async def a_member_is_listed_under_its_own_id(s: Stage) -> None:
    """Who is listed, in any look of a boot, is there under that id in the end."""
    await s.grow(3, expected=2)
    listed: set[str] = set()
    while (state := await s.glance()).ready < 3:
        listed |= {each.id for each in state.members(1)}
        await asyncio.sleep(s.author.poll or s.backend.capabilities.poll)
    unknown = listed - await s.members()
    s.must(not unknown, f"listed during a boot, and not there: {', '.join(sorted(unknown))}")


@check("O1", uses=("raw_serving",))
async def a_member_is_ready_only_when_it_serves(s: Stage) -> None:
    """READY is what the cloud sends requests to, at every look of a boot."""
    await s.grow(3, expected=2)
    states = set()
    while True:
        state = await s.glance()
        serving = await s.author.raw_serving(s.fleet)
        early = {each.id for each in state.members(1) if each.state is READY} - set(serving)
        s.must(not early, f"told as READY, and not served: {', '.join(sorted(early))}")
        states |= {each.state for each in state.members(1)}
        if state.ready == 3:
            return
        await asyncio.sleep(s.author.poll or s.backend.capabilities.poll)


@check("O1", uses=("raw_fail_health",))
async def a_member_that_fails_its_check_is_not_ready(s: Stage) -> None:
    """Running is not READY."""
    first, _ = await s.ready(2)
    await s.author.raw_fail_health(s.fleet, first.id)
    await s.until(
        lambda state: all(i.id != first.id or i.state is not READY for i in state.instances),
        f"{first.id}, which fails its health check, not READY",
    )


@check("V2", "V6", "P7", uses=("raw_kill",))
async def a_member_that_dies_is_told(s: Stage) -> None:
    """It is gone, and what comes in its place is another instance, of the same revision."""
    first, second = await s.ready(2)
    await s.author.raw_kill(s.fleet, first.id)
    await s.gone(first.id)
    if s.backend.capabilities.heals:
        await s.ready(2)
        s.same((await s.group()).size, 2, "the size after a death that was healed")
    else:
        await s.until(lambda state: state.groups[0].size == 1, "the size without the dead one")
    members = (await s.look()).members(1)
    s.must(second.id in {each.id for each in members}, "another member is gone too")


@check("O3", "V4", uses=("raw_resize",))
async def a_size_that_others_set_is_told(s: Stage) -> None:
    """What somebody else has changed is seen."""
    await s.author.raw_resize(s.fleet, 1, 3)
    s.same((await s.group()).size, 3, "the size that somebody else has set")
    await s.ready(3)


@check("O3", size=3)
async def what_was_done_is_seen_within_the_staleness(s: Stage) -> None:
    """A look that is asked for `staleness` after a call shows what it did, every time."""
    members = await s.ready(3)
    for size, member in zip((2, 1, 0), members, strict=True):
        await s.retire(member.id)
        state = await s.look()
        s.same(state.groups[0].size, size, "the size in the first look that has to show it")
        leaving = {i.id: i.state for i in state.instances}.get(member.id)
        s.must(
            leaving in (None, InstanceState.DRAINING),
            f"{member.id} is told as {leaving} after it was sent to retire",
        )


@check("O5", "O6", "O7")
async def a_cursor_gives_what_changed(s: Stage) -> None:
    """A partial look tells all that changed after its cursor, to everybody who has it."""
    start = await s.look()
    if start.cursor is None:
        again = await s.backend.observe(s.fleet, since=NEVER_A_CURSOR)
        s.must(again.complete, "a backend without cursors gave a partial look")
        return
    first, _ = await s.ready(2)
    await s.retire(first.id)
    await s.settle()
    for _ in range(2):  # The second asker has the same cursor as the first.
        state = await s.backend.observe(s.fleet, since=start.cursor)
        listed = {each.id for each in state.instances}
        s.must(first.id in listed, f"{first.id} began to leave and is not listed since the cursor")
    await s.see_off(first.id)
    await s.settle()
    state = await s.backend.observe(s.fleet, since=start.cursor)
    told = {each.id: each.state for each in state.instances}.get(first.id)
    s.must(
        state.complete or told is InstanceState.GONE,
        f"{first.id} vanished, and the look since the cursor tells it as {told}",
    )


@check("O5")
async def an_unknown_cursor_gives_everything(s: Stage) -> None:
    """Another process begins anew; a cursor that nobody gave out is no empty answer."""
    members = {each.id for each in await s.ready(2)}
    state = await s.backend.observe(s.fleet, since=NEVER_A_CURSOR)
    s.same({each.id for each in state.instances}, members, "who is listed for an unknown cursor")
    s.must(state.complete, "the look for an unknown cursor is partial")


@check("O9")
async def a_fleet_that_is_not_there_is_gone(s: Stage) -> None:
    """No such fleet is Gone."""
    await s.refused(s.backend.observe(f"{s.fleet}x"), Gone, "observing a fleet that isn't there")


@check("O9", uses=("mishap",))
async def a_missing_page_gives_no_answer(s: Stage) -> None:
    """A shorter list would be read as deaths."""
    await s.author.mishap("observe", Mishap.MISSING_PAGE)
    what = "a look of which a page is missing"
    await s.refused(s.backend.observe(s.fleet), Transient, what)
    s.same(len((await s.look()).instances), 2, "the members in the next look")


@check("E5", "X2", uses=("mishap",))
async def a_throttled_look_says_so(s: Stage) -> None:
    """What the cloud refuses for now is Throttled."""
    await s.author.mishap("observe", Mishap.THROTTLED)
    await s.refused(s.backend.observe(s.fleet), Throttled, "a look that the cloud throttles")


@check("E5", "E6", "X1", uses=("mishap",))
async def a_refusal_is_denied(s: Stage) -> None:
    """What the caller may not do is Denied, and has no effect."""
    members = {each.id for each in await s.ready(2)}
    await s.author.mishap("grow", Mishap.DENIED)
    await s.refused(s.grow(3, expected=2), Denied, "a growth that isn't allowed")
    s.same((await s.group()).size, 2, "the size after it")
    await s.spared(members)


@check("P6")
async def fleets_are_listed_sorted(s: Stage) -> None:
    """Every name that is listed can be observed."""
    names = await s.backend.fleets()
    s.must(s.fleet in names, f"fleets() gives {names}, without {s.fleet}")
    s.same(list(names), sorted(set(names)), "the names")
    for name in names:
        await s.backend.observe(name)


@check("E13")
async def looking_changes_nothing(s: Stage) -> None:
    """However often somebody asks, the fleet is the same."""
    members, before = {each.id for each in await s.ready(2)}, await s.group()
    for _ in range(3):
        await s.backend.fleets()
        await s.backend.resolve(s.author.images[1])
        s.backend.notes(s.fleet)
        await s.glance()
    s.same(await s.group(), before, "the group after looking")
    s.same((await s.look()).last_revision, 1, "last_revision after looking")
    await s.spared(members)


@check("E4")
async def looks_and_changes_at_once_are_borne(s: Stage) -> None:
    """Somebody may ask for the state while a rollout runs."""
    looks = asyncio.gather(*(s.backend.observe(s.fleet) for _ in range(8)))
    s.same(await s.grow(3, expected=2), 3, "what grow returns beside eight looks")
    seen = {len(state.groups) for state in await looks}
    s.same(seen, {1}, "the number of groups in looks beside a growth")


@check("E1")
async def the_loop_is_not_blocked(s: Stage) -> None:
    """While calls are under way, everything else on the loop goes on."""
    # Twice, since on a busy machine it may stand still once without anybody's fault.
    stood = min([await _standstill(s) for _ in range(2)])
    s.must(stood < _BLOCKED, f"the loop stood still for {stood:.1f} s during a call, each time")


async def _standstill(s: Stage) -> float:
    """Make calls; return for how many seconds another task on the loop could not go on."""
    longest, going = 0.0, True

    async def beat() -> None:
        nonlocal longest
        while going:
            # Real time: a blocked loop is one whose other tasks wait for real.
            before = time.monotonic()
            await asyncio.sleep(0.001 if s.author.virtual else 0.02)
            longest = max(longest, time.monotonic() - before)

    beats = asyncio.create_task(beat())
    await asyncio.sleep(0)  # So that it beats before the first call.
    try:
        await s.backend.fleets()
        await s.glance()
        await s.hold()
        await s.grow(2, expected=2)
        await s.backend.settle(s.fleet, 1, s.ctx())
        await s.release()
    finally:
        going = False
        await beats
    return longest


@check("E9", "O6", uses=("second",))
async def another_process_goes_on(s: Stage) -> None:
    """What one process began another one sees, and carries on."""
    first, _ = await s.ready(2)
    until = await s.hold()
    await s.create()
    other = s.author.second()
    try:
        await other.open()
        await s.settle()
        mine, theirs = await s.glance(), await other.observe(s.fleet)
        s.same(theirs.groups, mine.groups, "the groups as another process sees them")
        s.must(theirs.groups[0].hold, f"the hold until {until} is not told to another process")
        left = await other.retire(
            s.fleet, 1, (first.id,), drain_timeout=s.author.drain_timeout, ctx=s.ctx()
        )
        s.same(left.size, 1, "the size that another process' retire returns")
        s.same(await s.grow(1, expected=0, number=2), 1, "what grow returns here after it")
    finally:
        await other.close()


@check("N1", "P4", size=None)
async def a_class_states_its_contract(s: Stage) -> None:
    """The version of the contract is there, and durations make sense."""
    able = s.backend.capabilities
    s.same(getattr(type(s.backend), "contract", None), 1, "the contract that the class states")
    s.must(able.poll > 0, f"poll={able.poll}: the engine would never wait")
    s.must(min(able.staleness, able.late_effect, able.boot, able.drain) >= 0, f"{able}")


@check("P4", "E8", size=None, uses=("second",))
async def capabilities_stay_as_they_are(s: Stage) -> None:
    """What the backend says of itself is the same before and after open."""
    other = s.author.second()
    before = other.capabilities
    await other.open()
    try:
        s.same(other.capabilities, before, "capabilities after open")
    finally:
        await other.close()
