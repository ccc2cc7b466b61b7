"""How far a rollout may go from the fleet's normal state."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.model.quantities import Duration, percent, seconds

__all__ = ["Limits", "OnProtected"]


class OnProtected(StrEnum):
    """What to do with an instance that its owner protects from termination."""

    REPLACE = "replace"
    """Replace it like any other."""
    WAIT = "wait"
    """Pause, without a deadline, until the protection is lifted."""
    SKIP = "skip"
    """Leave it; only for plans whose end names what remains."""


def _count(_: object, attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, str):
        percent(value, name=attribute.name)
    elif isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(attribute.name, value, "not a count", 'pass 3 or "25%"')
    elif value < 0:
        raise InvalidValue(attribute.name, value, "a count is not negative")


def _length(value: Duration) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _length_or_none(value: Duration | None) -> float | None:
    return None if value is None else _length(value)


def _duration(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None:
        seconds(value, name=attribute.name)


@frozen
class Limits:
    """The bounds of a rollout; frozen, part of the plan.

    Counts are an ``int`` or a percentage of the fleet's size such as ``"25%"``, resolved again
    whenever that size changes; surge rounds up, unavailable rounds down, and 0 is a value. When
    both come to 0 for a fleet that is not empty, surge is 1, since nothing could move.
    Durations are seconds or a ``datetime.timedelta``.

    Attributes:
        max_surge: Servers above the wanted size, terminating ones included.
        max_unavailable: Servers below the wanted size that may be missing from service.
        min_ready: How long a new server must stay READY before it counts as available.
        boot_timeout: How long a server may take to become READY, or to become so again.
        drain_timeout: How long requests in flight may take to finish; at least the longest one.
        progress_deadline: How long without any progress before going back; default three times
            the sum of the three durations above.
        max_duration: How long the whole may take before going back; default twice the longest
            that the plan can take when nothing fails, plus ``progress_deadline``.
        max_failures: How many new servers may fail, each counted once, before going back;
            default a fifth of the fleet's size, at least 3.
        on_protected: What to do with protected servers.
        hedge: Whether boots that take half as long again as most may have duplicates, once nothing
            else is left to launch, within ``max_surge``: the first servers that are proven stay,
            the others go again.

    Raises:
        InvalidValue: Both counts 0, or one of the wrong kind.
    """

    max_surge: int | str = field(default="25%", validator=_count)
    max_unavailable: int | str = field(default=0, validator=_count)
    min_ready: float = field(default=10, converter=_length, validator=_duration, kw_only=True)
    boot_timeout: float = field(default=600, converter=_length, validator=_duration, kw_only=True)
    drain_timeout: float = field(default=300, converter=_length, validator=_duration, kw_only=True)
    progress_deadline: float | None = field(
        default=None, converter=_length_or_none, validator=_duration, kw_only=True
    )
    max_duration: float | None = field(
        default=None, converter=_length_or_none, validator=_duration, kw_only=True
    )
    max_failures: int | None = field(default=None, kw_only=True)
    on_protected: OnProtected = field(
        default=OnProtected.REPLACE, converter=OnProtected, kw_only=True
    )
    hedge: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.max_surge in (0, "0%") and self.max_unavailable in (0, "0%"):
            raise InvalidValue(
                "max_surge, max_unavailable",
                (self.max_surge, self.max_unavailable),
                "nothing could move when both are 0",
                "let one of them be at least 1",
            )
        if self.max_failures is not None and self.max_failures < 1:
            raise InvalidValue("max_failures", self.max_failures, "at least one must fail to stop")

    @property
    def deadline(self) -> float:
        """Seconds without progress before a rollout goes back."""
        if self.progress_deadline is not None:
            return self.progress_deadline
        return 3 * (self.boot_timeout + self.min_ready + self.drain_timeout)

    def failures(self, size: int) -> int:
        """Return how many failed servers of a fleet of *size* make a rollout go back."""
        return self.max_failures if self.max_failures is not None else max(3, size // 5)
