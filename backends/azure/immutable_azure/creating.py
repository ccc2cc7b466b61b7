"""Making the scale set of a new revision: the number first, then the set, empty and held."""

from __future__ import annotations

from collections.abc import Sequence

from immutable.backend import Conflict, Context, Pool, Revision
from immutable.toolkit.owning import check_holder, check_maker, check_number, held
from immutable_azure.balancing import with_pool
from immutable_azure.calls import SETS
from immutable_azure.copying import model_like, user_data_of, what_of
from immutable_azure.hands import Hands, current_tags
from immutable_azure.marks import Marks, birth_tags, last_tag
from immutable_azure.names import key, set_name
from immutable_azure.ownpools import make_pool
from immutable_azure.reading import Described

__all__ = ["create_revision", "pattern_of", "put_new"]


def pattern_of(groups: Sequence[Described]) -> Described:
    """Return the set that serves a fleet: the largest one, of those the oldest."""
    return max(groups, key=lambda each: (each.capacity, -each.marks.revision))


async def create_revision(
    hands: Hands, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
) -> None:
    """Make the set of a revision; see the contract, section 7."""
    groups = await hands.eyes.groups(fleet)
    name = set_name(fleet, revision.number)
    there = await hands.eyes.named(name)
    if there is not None:
        _refuse_others(there, fleet, revision.number, ctx)
        return
    pattern = pattern_of(groups)
    for each in groups:
        check_holder(each.marks.hold, each.name, ctx, hands.calls.now())
        check_number(fleet, [each.marks.last], revision.number, ctx)
        if each.marks.revision >= revision.number:
            raise Conflict(f"fleet {fleet} is at number {each.marks.revision} already")
    apart = {key(each) for group in groups for each in group.pools}
    if pool is Pool.OWN and 1 < len(groups) > len(apart):
        newest = groups[-1].marks.rollout
        raise Conflict("the groups share a pool: none can have a weight", owner=newest or None)
    pattern = await hands.owned(fleet, pattern.marks.revision, ctx)
    if pattern.marks.last != (revision.number, ctx.rollout):
        mark = last_tag(revision.number, ctx.rollout)
        await hands.tag(pattern, {**current_tags(pattern), **mark})
    setting = (await hands.eyes.scaling()).get(key(pattern.id))
    maximum = pattern.marks.maximum
    if setting is not None:
        profiles = setting["properties"].get("profiles") or ()
        maximum = max((int(each["capacity"]["maximum"]) for each in profiles), default=maximum)
    own = None
    if pool is Pool.OWN:
        own = await make_pool(hands, pattern, fleet, revision.number)
    marks = Marks(
        fleet,
        revision.number,
        ctx.rollout,
        ctx.plan,
        maximum=maximum,
        own=own is not None or pattern.marks.own,
        what=what_of(revision),
    )
    hold = held(None, ctx, until, 0)
    theirs = await hands.eyes.user_data(pattern)
    body = model_like(
        pattern.group, revision, birth_tags(marks, hold), user_data_of(revision, theirs)
    )
    if own is not None:
        with_pool(body["properties"]["virtualMachineProfile"], own)
    await put_new(hands, name, body, ctx)


async def put_new(
    hands: Hands, name: str, body: dict[str, object], ctx: Context | None = None
) -> None:
    """Make a set of a name that nobody has.

    Raises:
        Conflict: Somebody has it.
    """
    from azure.core import MatchConditions

    try:
        await hands.begin(
            f"{SETS}.begin_create_or_update",
            hands.calls.place.group,
            name,
            body,
            about=name,
            wait=True,
            match_condition=MatchConditions.IfMissing,
        )
    except Conflict as error:
        there = await hands.eyes.named(name)
        if there is None:
            raise
        if ctx is None:
            raise Conflict(f"there is a scale set {name} already") from error
        _refuse_others(there, there.marks.fleet, there.marks.revision, ctx)


def _refuse_others(there: Described, fleet: str, number: int, ctx: Context) -> None:
    marks = there.marks
    if (marks.fleet, marks.revision) != (fleet, number) or not marks.fleet:
        raise Conflict(f"there is a scale set {there.name} that is not of fleet {fleet}")
    check_maker(marks.rollout, there.name, ctx)
