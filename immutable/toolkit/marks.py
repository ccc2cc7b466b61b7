"""What rollouts write on groups, as short texts, and back. Pure."""

from __future__ import annotations

from immutable.backend import Hold, Origin

__all__ = ["hold_of", "hold_text", "last_of", "last_text", "origin_of", "origin_text"]

_DELETE = "adopted-delete"


# Hold("r-7", 2, 1800.5, "sha256:ab", size=10): "r-7/2/1800.5/10/sha256:ab"
def hold_text(hold: Hold) -> str:
    """Return a hold as text, without the minimum, which the originals beside it say."""
    size = "" if hold.size is None else str(hold.size)
    return f"{hold.rollout}/{hold.fence}/{hold.until!r}/{size}/{hold.plan}"


def hold_of(text: str, minimum: int | None = None) -> Hold | None:
    """Return the hold that `hold_text` wrote; None for anything else.

    Args:
        text: The text.
        minimum: The group's minimum before it.
    """
    parts = text.rsplit("/", 4)
    if len(parts) != 5:
        return None
    rollout, fence, until, size, plan = parts
    try:
        found = int(size) if size else None
        return Hold(rollout, int(fence), float(until), plan, size=found, minimum=minimum)
    except ValueError:
        return None


def origin_text(origin: Origin, deletable: bool) -> str:
    """Return where a group comes from, and whether it may be deleted, in one word."""
    return _DELETE if origin is Origin.ADOPTED and deletable else origin.value


def origin_of(text: str) -> tuple[Origin, bool]:
    """Return what `origin_text` wrote; whatever else it is, is not ours and may not be deleted."""
    ours = text == Origin.OURS.value
    return (Origin.OURS if ours else Origin.ADOPTED), ours or text == _DELETE


def last_text(number: int, rollout: str) -> str:
    """Return the highest number that was given out, and to which rollout, as text."""
    return f"{number}/{rollout}"


def last_of(text: str) -> tuple[int, str]:
    """Return what `last_text` wrote; 0 and nobody for anything else."""
    number, _, rollout = text.partition("/")
    return (int(number), rollout) if number.isdigit() else (0, "")
