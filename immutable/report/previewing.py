"""What a plan comes to, as rows for a reader and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from immutable.model.preview import Forecast, Preview
from immutable.model.quantities import duration
from immutable.model.serial import to_json

__all__ = ["capacity_words", "duration_words", "preview", "rows"]

_IN_THE_PLAN = ("image", "setting", "secret")
"""Changes that a plan's own text tells."""


def preview(made: Preview) -> dict[str, Any]:
    """Return what a plan comes to, as `immutable.preview.Preview`.

    ``digest`` is what it is approved by, ``plan`` is as `immutable.Plan`, ``problems`` what stops
    it: empty for a plan that may be carried out. ``forecast`` is null where nothing can be
    foreseen, and ``unforeseen`` says why.
    """
    document: dict[str, Any] = to_json(made)
    return document


def rows(made: Preview) -> Iterator[tuple[str, str]]:
    """Yield what is to be said beside the plan's own text: names, and words."""
    for change in made.changes:
        if change.part not in _IN_THE_PLAN:
            yield "change", str(change)
    for step in made.steps:
        traffic = "" if step.traffic is None else f", {step.traffic:g} % of the traffic"
        stable, candidate = made.plan.stable.number, made.plan.candidate.number
        both = f"r{stable} {step.stable}, " if stable != candidate else ""
        yield f"after {step.number}", f"{both}r{candidate} {step.candidate}{traffic}"
    yield from _lasting(made)
    for words in made.rates:
        yield "rate", words
    for words in made.volumes:
        yield "volume", words
    for ruling in made.rulings:
        if f"policy: {ruling}" not in made.plan.notes:
            yield "policy", str(ruling)
    yield "digest", made.digest


def _lasting(made: Preview) -> Iterator[tuple[str, str]]:
    found = made.forecast
    if found is None:
        yield "expected", f"unknown: {made.unforeseen}"
        return
    yield "expected", _length(found)
    source = found.known if found.measured else f"assumed: {found.known}"
    yield "boots", f"{found.boots} ({source})"
    for words in found.assumed:
        yield "assumed", words
    yield "cost", f"{capacity_words(found.extra_instance_hours)} above the fleet's size"
    calls = ", ".join(f"{name} {count:,}" for name, count in found.calls.items())
    yield "calls", f"{sum(found.calls.values()):,} of the backend: {calls}"


def _length(found: Forecast) -> str:
    usual, longest = (duration_words(each) for each in (found.seconds, found.longest))
    if found.trials == 1:
        return f"{usual}, tried out once on a twin"
    return f"{usual}, tried out {found.trials} times on a twin; the longest {longest}"


def capacity_words(hours: float) -> str:
    """Return an amount of instance-hours, smaller ones in minutes."""
    minutes = hours * 60
    return f"{hours:,.1f} instance-hours" if hours >= 1 else f"{minutes:,.1f} instance-minutes"


def duration_words(seconds: float) -> str:
    """Return a length of time, to the second above a minute."""
    return duration(round(seconds) if seconds >= 60 else round(seconds, 1))
