"""What a fleet is like at the end, in words; and how that differs from the start. Pure."""

from __future__ import annotations

from immutable.model import FleetState, Group, InstanceState

__all__ = ["differences", "remains"]


# Before: r1 of size 10, minimum 5. After: r1 of size 10, minimum 2, and r2 of size 1:
# ("r1's minimum was 5, is 2", "r2 was not there, has size 1").
def differences(
    before: tuple[Group, ...], after: tuple[Group, ...], wanted: int, rollout: str
) -> tuple[str, ...]:
    """Return how groups differ from what they were; a size that others changed counts as *wanted*.

    What another rollout has made or holds meanwhile is its own affair, and so is the traffic that
    is divided between its group and the others.

    Args:
        before: The groups when the rollout began.
        after: The groups now.
        wanted: The fleet's size as the rollout counted it.
        rollout: The rollout's identifier.
    """
    known = {group.number for group in before}
    there = {
        group.number: group
        for group in after
        if group.number in known or group.rollout in ("", rollout)
    }
    shared = all(group.number in there for group in after)
    found: list[str] = []
    for old in before:
        new = there.pop(old.number, None)
        if new is None:
            found.append(f"r{old.number} had size {old.size}, is gone")
            continue
        size = wanted if len(before) == 1 else old.size
        found += [
            f"r{old.number}'s {name} was {was}, is {now}"
            for name, was, now in (
                ("size", size, new.size),
                ("minimum", old.minimum, new.minimum),
                ("maximum", old.maximum, new.maximum),
                ("weight", old.weight, new.weight if shared else old.weight),
                ("hold", _held(old, rollout), _held(new, rollout)),
                ("settings", dict(old.settings), dict(new.settings)),
            )
            if was != now
        ]
    found += [f"r{number} was not there, has size {new.size}" for number, new in there.items()]
    return tuple(found)


def _held(group: Group, rollout: str) -> str:
    ours = group.hold is not None and group.hold.rollout == rollout
    return f"held by {rollout}" if ours else "not held"


def remains(state: FleetState) -> tuple[str, ...]:
    """Return what there is of a fleet, one sentence a group."""
    sentences = []
    for group in state.groups:
        states = [each.state for each in state.members(group.number)]
        counts = ", ".join(
            f"{states.count(which)} {which.value}" for which in InstanceState if which in states
        )
        held = f", held by rollout {group.hold.rollout}" if group.hold else ""
        sentences.append(
            f"r{group.number} ({group.revision.image}) of size {group.size}:"
            f" {counts or 'no instance'}{held}"
        )
    return (*sentences, *map(str, state.slots))
