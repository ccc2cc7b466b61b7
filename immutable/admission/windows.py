"""Times of the week, and times on the calendar; and the rule that nothing begins in some of them.

Times of the week are what a clock on the wall of a place shows: they move with daylight saving.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import Attribute, field, frozen

from immutable.admission.case import Case
from immutable.errors import InvalidValue
from immutable.model.admission import Admission, Ruling
from immutable.trust.checks import aware
from immutable.trust.shape import spelled

__all__ = ["FreezeWindow", "Span", "Weekly"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _days(days: Iterable[str]) -> tuple[str, ...]:
    return (days,) if isinstance(days, str) else tuple(days)


def _known(_: object, attribute: Attribute[tuple[str, ...]], days: tuple[str, ...]) -> None:
    for each in days or ("",):
        if each not in _DAYS:
            raise InvalidValue(attribute.name, each, "not a day", f"write {', '.join(_DAYS)}")


def _clock(_: object, attribute: Attribute[str], text: str) -> None:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", text):
        raise InvalidValue(attribute.name, text, "not a time of day", "write it as 18:30")


def _zone(name: str) -> tzinfo:
    # The others are files, each read once: not in a loop, if it is to be quick.
    return UTC if name == "UTC" else ZoneInfo(name)


def _place(_: object, attribute: Attribute[str], zone: str) -> None:
    try:
        _zone(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        way_out = "write one of the IANA's, such as UTC or Europe/Berlin"
        raise InvalidValue(attribute.name, zone, "not a time zone", way_out) from error


@frozen
class Weekly:
    """A time that comes back each week.

    Attributes:
        days: On which days it begins: ``mon`` to ``sun``.
        begin: When it begins there, such as ``18:30``.
        end: When it ends, exclusive, ``24:00`` for midnight; not later than it begins means on the
            next day.
        zone: Whose clocks are meant, such as ``Europe/Berlin``.
    """

    days: tuple[str, ...] = field(converter=_days, validator=_known)
    begin: str = field(default="00:00", validator=_clock)
    end: str = field(default="24:00", validator=_clock)
    zone: str = field(default="UTC", validator=_place)

    def __str__(self) -> str:
        return f"{', '.join(self.days)} {self.begin} to {self.end} {self.zone}"

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is in it."""
        there = moment.astimezone(_zone(self.zone))
        clock = there.time().strftime("%H:%M")
        today = _DAYS[there.weekday()] in self.days
        if self.begin < self.end:
            return today and self.begin <= clock < self.end
        yesterday = _DAYS[there.weekday() - 1] in self.days
        return (today and clock >= self.begin) or (yesterday and clock < self.end)


@frozen
class Span:
    """A time on the calendar, once.

    Attributes:
        begin: When it begins.
        end: When it ends, exclusive.
    """

    begin: datetime = field(validator=aware)
    end: datetime = field(validator=aware)

    def __attrs_post_init__(self) -> None:
        if self.end <= self.begin:
            raise InvalidValue("end", spelled(self.end), "not after it begins")

    def __str__(self) -> str:
        return f"{spelled(self.begin)} to {spelled(self.end)}"

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is in it."""
        return self.begin <= moment < self.end


def _weekly(times: Iterable[Weekly]) -> tuple[Weekly, ...]:
    return tuple(times)


def _spans(times: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(times)


@frozen
class FreezeWindow:
    """Nothing begins in some times. What has begun goes on: half a fleet is no safe place.

    Attributes:
        weekly: Times that come back each week.
        spans: Times on the calendar.
    """

    weekly: tuple[Weekly, ...] = field(default=(), converter=_weekly)
    spans: tuple[Span, ...] = field(default=(), converter=_spans)
    due: ClassVar[bool] = True

    @property
    def times(self) -> tuple[Weekly | Span, ...]:
        """All of them."""
        return (*self.weekly, *self.spans)

    def __attrs_post_init__(self) -> None:
        if not self.times:
            raise InvalidValue("weekly", (), "no time at all", "name one, or leave the rule out")

    def __str__(self) -> str:
        return f"not begun in {' or '.join(map(str, self.times))}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it is not one of those times."""
        frozen_by = [each for each in self.times if each.holds(case.moment)]
        now = spelled(case.moment)
        if frozen_by:
            return Ruling(str(self), Admission.FAIL, f"it is {now}, in {frozen_by[0]}")
        return Ruling(str(self), Admission.PASS, f"it is {now}")
