"""What to type next after an error. Pure."""

from __future__ import annotations

from difflib import get_close_matches

from immutable.errors import (
    Denied,
    FleetBusy,
    FleetNotFound,
    ImmutableError,
    InvalidValue,
    JournalError,
    NothingToRecover,
    PlanStale,
)

__all__ = ["hints"]


def hints(error: ImmutableError) -> tuple[str, ...]:
    """Return what can be typed next, a line each; empty where the error itself says it."""
    match error:
        case FleetBusy():
            return tuple(f"immutable {name} {error.fleet}" for name in _BUSY)
        case FleetNotFound():
            return _elsewhere(error)
        case NothingToRecover():
            return (f"how its rollouts ended: immutable history {error.fleet}",)
        case PlanStale():
            return ("make a new one with: immutable plan URL IMAGE --out FILE",)
        case InvalidValue(name="plan"):
            return ("such a file is written by: immutable plan URL IMAGE --out FILE",)
        case JournalError():
            return ("what works here, and what does not: immutable doctor",)
        case Denied():
            return (
                "whether the credentials work: immutable doctor PLACE, such as aws://eu-west-1",
            )
    return ()


_BUSY = ("watch", "abort", "recover")


def _elsewhere(error: FleetNotFound) -> tuple[str, ...]:
    """Return the fleet that was meant, perhaps, or how one is made."""
    place, _, name = error.address.partition("?")[0].rpartition("/")
    near = get_close_matches(name, error.visible, n=1)
    if near:
        return (f"did you mean {place}/{near[0]}?",)
    if error.visible:
        return (f"immutable fleet list {place.removesuffix(':/')}",)
    return (
        f"make one with: immutable fleet create {error.address} IMAGE --size N",
        f"or take a group that is there: immutable fleet adopt {error.address}",
    )
