"""A rollout as a page, as a document and as rows for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from immutable.model import Revision, Status
from immutable.model.serial import digest, to_json
from immutable.report import charts
from immutable.report.charts import moment
from immutable.report.course import Course, thinned
from immutable.report.opinions import GateCourse
from immutable.report.story import Story

__all__ = ["STEPS", "document", "facts", "page", "state", "step_rows", "table"]

ROWS = 400
"""Rows of a list that a page shows at most: the first and the last ones."""

STEPS = ("step", "goal", "began after", "took", "became")
"""The columns of `step_rows`."""

MOODS = {
    Status.SUCCEEDED: "good",
    Status.ROLLED_BACK: "mild",
    Status.ROLLING_BACK: "mild",
    Status.PAUSED: "mild",
    Status.FAILED: "bad",
    Status.CANCELLED: "bad",
}


def stamp(seconds: float) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def state(course: Course) -> str:
    """Return where a rollout stands, in words."""
    return course.status.value.replace("_", " ")


def _reason(course: Course) -> str:
    ledger = course.ledger
    if course.end is not None:
        return course.end.reason
    return ledger.paused or ledger.reason or Story(course.plan, ledger).step


def _revision(revision: Revision) -> str:
    commit = f", commit {revision.image.commit}" if revision.image.commit else ""
    return f"{revision}{commit}"


def facts(course: Course) -> Iterator[tuple[str, str]]:
    """Yield what one wants to know of a rollout first: names and values, in words."""
    entry, plan = course.entry, course.plan
    yield "rollout", entry.rollout
    yield "from", _revision(plan.stable)
    yield "to", _revision(plan.candidate)
    yield "by", entry.actor or "nobody said"
    yield "why", entry.reason or "nobody said"
    yield "began", stamp(entry.started_at)
    yield "length" if course.end is not None else "so far", moment(course.until)
    yield "strategy", plan.strategy
    yield "plan", digest(plan)


def page_of(values: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the first and the last of many values, and how many are left out between them."""
    if len(values) <= ROWS:
        return list(values), 0
    half = ROWS // 2
    return [*values[:half], *values[-half:]], len(values) - 2 * half


def table(
    caption: str, head: Sequence[str], rows: Sequence[Any], kinds: str = ""
) -> dict[str, Any]:
    """Return a table for a page; of a long one the first and last rows.

    Args:
        caption: What it shows.
        head: The names of its columns.
        rows: Its rows.
        kinds: A letter for each column: ``n`` for numbers, ``s`` for short words of ours, a blank
            or nothing for texts that may be long.
    """
    shown, omitted = page_of(rows)
    letters = [kind.strip() for kind in kinds.ljust(len(head))]
    return {
        "caption": caption, "head": head, "rows": shown, "omitted": omitted, "kinds": letters,
    }  # fmt: skip


def step_rows(course: Course) -> list[tuple[str, ...]]:
    """Return the plan's steps as rows: number, goal, when it began, how long, what became of it."""
    rows: list[tuple[str, ...]] = []
    for each in course.steps:
        done = each.began is not None and each.ended is not None
        took = moment((each.ended or 0.0) - (each.began or 0.0)) if done else ""
        rows.append((str(each.number), each.words, moment(each.began), took, each.became))
    return rows


def compared_rows(course: Course) -> list[tuple[str, str, str]]:
    """Return what the plan expected and what came, side by side."""
    bounds, end = course.plan.bounds, course.end
    both = max((each.stable + each.candidate for each in course.sizes), default=0)
    rows = [
        ("length", f"about {moment(bounds.expected)}", moment(course.until)),
        ("least length of any schedule", moment(max(bounds.work, bounds.api)), ""),
        ("asked for at most", f"{bounds.ceiling} existing", f"{both} in both groups' sizes"),
        ("available at least", str(bounds.floor), "not on record; kept by the engine's guard"),
    ]
    if end is not None:
        rows.append(("boots", "", _spread(end.boots)))
        rows.append(("from retirement to gone", "", _spread(end.goings)))
    rows.append(("instances that failed", "0", str(len(course.ledger.failed))))
    return rows


def _spread(lengths: Sequence[float]) -> str:
    if not lengths:
        return "not measured"
    middle, most = lengths[len(lengths) // 2], lengths[-1]
    return f"{moment(middle)} in the middle, {moment(most)} at most, of {len(lengths)} measured"


# -- the page --------------------------------------------------------------------------------------


def page(course: Course, made: float) -> str:
    """Return a rollout as one HTML file.

    Args:
        course: How it went.
        made: The time, for the page to say when it was made.
    """
    from immutable.report.page import rendered  # It loads Jinja.

    plan = course.plan
    story = Story(plan, course.ledger)
    rows, omitted = page_of(course.decisions)
    return rendered(
        "rollout.html",
        title=f"{course.entry.fleet}: {state(course)}",
        fleet=course.entry.fleet,
        mood=MOODS.get(course.status, ""),
        state=state(course),
        reason=_reason(course),
        facts=list(facts(course)),
        ways=story.ways_on(),
        stable=str(plan.stable),
        candidate=str(plan.candidate) if plan.candidate != plan.stable else "",
        sizes=_sizes(course),
        traffic=_traffic(course) if course.shares else None,
        events=_events(course),
        steps=table("Planned, and what became of it", STEPS, step_rows(course), "s sss"),
        gates=[_gate(course, gate, number) for number, gate in enumerate(course.gates)],
        compared=table("", ("figure", "planned", "came"), compared_rows(course)),
        left=course.end.left if course.end is not None else (),
        decisions={
            "rows": [_decision(each) for each in rows],
            "omitted": omitted,
            "count": len(course.decisions),
        },
        records=course.records,
        address=course.entry.fleet,
        rollout=course.entry.rollout,
        made=stamp(made),
    )


def _both(name: str, wide: charts.Chart, slim: charts.Chart) -> dict[str, Any]:
    from markupsafe import Markup

    # Drawn here, of numbers and of words that are escaped.
    full, narrow = wide.inline(f"{name}-w", "full"), slim.inline(f"{name}-s", "slim")
    return {"full": Markup(full), "slim": Markup(narrow)}  # noqa: S704


_WIDE, _SLIM = 860, 366


def _sizes(course: Course) -> dict[str, Any]:
    head = ("after", "stable", "candidate", "together", "wanted")
    rows = [
        (moment(each.at), each.stable, each.candidate, each.stable + each.candidate, each.wanted)
        for each in thinned(course.sizes, charts.POINTS)
    ]
    drawn = charts.sizes(course, _WIDE), charts.sizes(course, _SLIM)
    caption = "Sizes that were asked for, from each moment on"
    if len(course.sizes) > charts.POINTS:
        caption += f"; {charts.POINTS} of {len(course.sizes)} moments, as in the picture"
    return {
        "chart": _both("sizes", *drawn),
        "table": table(caption, head, rows, "snnnn"),
    }


def _traffic(course: Course) -> dict[str, Any]:
    rows = [
        (moment(each.at), f"{100 - each.candidate:g}", f"{each.candidate:g}")
        for each in thinned(course.shares, charts.POINTS)
    ]
    head = ("after", "stable, percent", "candidate, percent")
    drawn = charts.traffic(course, _WIDE), charts.traffic(course, _SLIM)
    return {
        "chart": _both("traffic", *drawn),
        "table": table("Weights, from each moment on", head, rows, "snn"),
    }


def _events(course: Course) -> dict[str, Any]:
    letters = charts.letters(course)
    rows = [
        (letter, moment(each.at), each.words)
        for letter, each in zip(letters, course.marks, strict=True)
    ]
    return table("By their letters in the pictures", ("mark", "after", "what happened"), rows, "ss")


def _gate(course: Course, gate: GateCourse, number: int) -> dict[str, Any]:
    rows = [(moment(each.at), each.verdict.value, each.detail) for each in gate.opinions]
    rows = rows or [("", "nothing", "it was never asked, or has said nothing")]
    verdicts = table(
        "Verdicts, each time that they changed", ("after", "verdict", "why"), rows, "ss"
    )
    shown = {"name": gate.gate, "verdicts": verdicts, "chart": None}
    if not gate.path or gate.threshold is None:
        return shown
    path = [
        (moment(each.at), f"{10**each.log_e:.3g}", each.candidate, each.stable)
        for each in thinned(gate.path, charts.POINTS)
    ]
    head = ("after", "e-value", "candidate's requests", "stable's requests")
    drawn = (charts.evidence(course, gate, width) for width in (_WIDE, _SLIM))
    return {
        **shown,
        "chart": _both(f"gate{number}", *drawn),
        "path": table("Evidence on record", head, path, "snnn"),
        "threshold": f"{10**gate.threshold:.4g}",
        "alpha": f"{10**-gate.threshold:.3g}",
    }


def _decision(made: Any) -> dict[str, Any]:
    took = "" if made.answered is None else f" after {moment(made.answered - made.at)}"
    outcome = f"{made.outcome}{took}"
    return {
        "at": moment(made.at), "action": made.action, "why": made.why,
        "outcome": outcome, "detail": made.detail,
    }  # fmt: skip


# -- the document ----------------------------------------------------------------------------------


def document(course: Course) -> dict[str, Any]:
    """Return how a rollout went; all of it, also what a page leaves out.

    ``rollout``, ``fleet``, ``status``, ``reason``, ``actor``, ``why``, ``started_at``, ``seconds``
    and ``plan`` (its digest) say which and how it stands; ``from`` and ``to`` are revisions.
    ``sizes``, ``shares``, ``marks``, ``steps``, ``decisions`` and ``gates`` are lists by time, all
    times in seconds since the beginning; ``records`` is how many records there are, ``bounds`` what
    the plan promised, ``end`` the last record, null while it runs.
    """
    entry, plan = course.entry, course.plan
    lists = ("sizes", "shares", "marks", "steps", "decisions", "gates")
    return {
        "rollout": entry.rollout,
        "fleet": entry.fleet,
        "status": course.status.value,
        "reason": _reason(course),
        "actor": entry.actor,
        "why": entry.reason,
        "started_at": entry.started_at,
        "seconds": course.until,
        "plan": digest(plan),
        "from": to_json(plan.stable),
        "to": to_json(plan.candidate),
        "bounds": to_json(plan.bounds),
        "records": course.records,
        "end": to_json(course.end) if course.end is not None else None,
        **{name: [to_json(each) for each in getattr(course, name)] for name in lists},
    }
