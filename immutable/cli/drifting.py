"""The commands that look for drift, and replace what has drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from immutable.cli.options import (
    COUNT,
    DURATION,
    as_json,
    limits_from,
    limits_given,
    limits_options,
    where,
)
from immutable.cli.progress import follow
from immutable.cli.rollouts import REASON, show_plan
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import plain_table
from immutable.cli.telling import telling
from immutable.fleet import Fleet
from immutable.model.drift import DriftReport, DriftVerdict
from immutable.report import documents
from immutable.report.drifting import drift as document

__all__ = ["drift", "repair"]

DRIFTED, UNKNOWN = 7, 8
"""Exit codes: something is not as the revision says; nothing is, and something can't be seen."""

_CODES = {DriftVerdict.OK: 0, DriftVerdict.DRIFTED: DRIFTED, DriftVerdict.UNKNOWN: UNKNOWN}
_MAX_AGE = click.option(
    "--max-age", type=DURATION, help="How old an instance may become: 30d, 12h."
)


@click.command()
@click.argument("url")
@_MAX_AGE
@where
@as_json
@command
@telling
async def drift(
    url: str, max_age: float | None, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Look whether the instances of the fleet at URL are what their revision says.

    Nothing is touched. What could not be seen is unknown, never ok. Exit codes: 0 all is as it
    should be, 7 something is not, 8 nothing is known to be otherwise, and something is unknown.
    """
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        found = await fleet.drift(max_age=max_age)
    if as_json:
        show_json(document(found))
    else:
        _show(found)
    if code := _CODES[found.verdict]:
        raise SystemExit(code)


@click.command()
@click.argument("url")
@_MAX_AGE
@click.option(
    "--budget", type=COUNT, help="How many are replaced at most: 3, or 10% of the fleet; all."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the plan to this file, and touch nothing."
)
@limits_options
@REASON
@where
@as_json
@command
@telling
async def repair(
    url: str,
    max_age: float | None,
    budget: int | str | None,
    out: Path | None,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Replace the drifted instances of the fleet at URL by new ones of the same revision.

    Nothing is mended in place. What is unknown stays, and what is no member.
    """
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        default = fleet.backend.capabilities.limits
        limits = limits_from(default, options) if limits_given(options) else None
        wanted: dict[str, Any] = {"max_age": max_age, "budget": budget, "limits": limits}
        if out is not None:
            made = await fleet.preview(await fleet.plan_repair(**wanted))
            await show_plan(made, out, as_json=as_json)
            return
        result = await follow(fleet, fleet.repair(**wanted, reason=reason), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


def _show(found: DriftReport) -> None:
    screen = console()
    rows = [
        (each.instance, f"r{each.revision}", each.verdict.value, each.assurance.value, each.why)
        for each in found.findings
    ]
    columns = ("instance", "revision", "verdict", "assurance", "why")
    screen.print(plain_table(rows, *columns, title=found.fleet))
    for stray in found.strays:
        screen.print(f"{stray.id} is no member: {stray.found}", markup=False)
    looked = ", ".join(each.value for each in found.checked)
    screen.print(f"looked at: {looked or 'nothing'}", markup=False)
    for words in found.unseen:
        screen.print(f"can't be seen: {words}", markup=False)
