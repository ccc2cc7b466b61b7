"""Times in which nothing begins: of the week, by the clocks of a place, and on the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.admission import Admission, FreezeWindow, Span, Weekly
from immutable.admission.rule import asked
from tests.support.admitting import case, image


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (Weekly(["sat", "sun"]), "2026-11-28T00:00+00:00", True),
        (Weekly(["sat", "sun"]), "2026-11-29T23:59+00:00", True),
        (Weekly(["sat", "sun"]), "2026-11-30T00:00+00:00", False),
        (Weekly("fri", "18:00", "20:00"), "2026-11-27T18:00+00:00", True),
        (Weekly("fri", "18:00", "20:00"), "2026-11-27T20:00+00:00", False),
        # Over midnight, into a day that is not named.
        (Weekly("fri", "22:00", "06:00"), "2026-11-28T05:59+00:00", True),
        (Weekly("fri", "22:00", "06:00"), "2026-11-28T06:00+00:00", False),
        (Weekly("fri", "22:00", "06:00"), "2026-11-27T05:00+00:00", False),
        # By the clocks there: 23:30 in UTC is Saturday in Berlin.
        (Weekly("sat", zone="Europe/Berlin"), "2026-11-27T23:30+00:00", True),
        (Weekly("sat", zone="Europe/Berlin"), "2026-11-28T23:30+00:00", False),
        # In summer two hours before UTC, in winter one.
        (Weekly("wed", "09:00", "10:00", "Europe/Berlin"), "2026-07-01T07:30+00:00", True),
        (Weekly("wed", "09:00", "10:00", "Europe/Berlin"), "2026-12-02T07:30+00:00", False),
        (Weekly("wed", "09:00", "10:00", "Europe/Berlin"), "2026-12-02T08:30+00:00", True),
    ],
)
def test_a_time_of_the_week_is_what_clocks_there_show(window, moment, inside):
    assert window.holds(at(moment)) is inside


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(0, 23))  # noqa: DTZ001
def test_each_minute_of_a_week_is_in_one_of_two_windows_that_share_it(moment, hour):
    every = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    clock, moment = f"{hour:02}:00", moment.replace(tzinfo=UTC)
    day = Weekly(every, clock, f"{(hour + 8) % 24:02}:00")
    night = Weekly(every, f"{(hour + 8) % 24:02}:00", clock)
    assert day.holds(moment) is not night.holds(moment)


def test_nothing_begins_in_a_freeze_and_planning_goes_on():
    christmas = Span(at("2026-12-20T00:00+00:00"), at("2027-01-02T00:00+00:00"))
    rule = FreezeWindow([Weekly(["sat", "sun"])], [christmas])
    planned = asked(rule, case(image(), now=at("2026-12-24T12:00+00:00")))
    assert not planned.blocks
    for moment, admission in (
        ("2026-12-24T12:00+00:00", Admission.FAIL),
        ("2026-11-29T12:00+00:00", Admission.FAIL),
        ("2027-01-04T12:00+00:00", Admission.PASS),
    ):
        ruling = asked(rule, case(image(), now=at(moment), starting=True))
        assert ruling.admission is admission
        assert moment[:13] in ruling.why


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Weekly([]), "days"),
        (lambda: Weekly("saturday"), "days"),
        (lambda: Weekly("sat", "9:00"), "begin"),
        (lambda: Weekly("sat", "09:00", "25:00"), "end"),
        (lambda: Weekly("sat", zone="Mars/Base"), "zone"),
        (lambda: Weekly("sat", zone="../etc/passwd"), "zone"),
        (lambda: Span(datetime(2026, 1, 1), datetime(2026, 1, 2)), "begin"),  # noqa: DTZ001
        (lambda: Span(datetime.now(UTC), datetime.now(UTC) - timedelta(1)), "end"),
        (FreezeWindow, "weekly"),
    ],
)
def test_times_that_make_no_sense_can_not_be_made(make, name):
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.name == name
