"""The command that tells how a rollout went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group as Rows
from rich.text import Text

from immutable.cli.audit import existing
from immutable.cli.options import as_json, where
from immutable.cli.running import command, console, fail, show_json
from immutable.cli.tables import fleet_table, plain_table
from immutable.errors import InvalidValue
from immutable.fleet import Fleet
from immutable.model import FleetURL, SystemClock
from immutable.registry import backend_class
from immutable.report import documents

if TYPE_CHECKING:
    from immutable.report.course import Course

__all__ = ["report"]


@click.command()
@click.argument("url")
@click.argument("rollout", required=False)
@click.option(
    "--fleet", "of_fleet", is_flag=True, help="What runs where now, in place of a rollout."
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path),
    help="Write one page into this file; it needs nothing else.",
)  # fmt: skip
@where
@as_json
@command
async def report(
    url: str,
    rollout: str | None,
    of_fleet: bool,
    html: Path | None,
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Tell how a rollout of the fleet at URL went: the one named, else the newest.

    It is read from the journal; the fleet itself is asked with --fleet only.
    """
    if rollout and of_fleet:
        raise InvalidValue("rollout", rollout, "--fleet shows none", "leave one of them out")
    if of_fleet:
        await _fleet(url, html, journal, actor, as_json=as_json)
        return
    from immutable.report import telling

    made = await _course(url, rollout, journal)
    if html is not None:
        await asyncio.to_thread(_write, html, telling.page, made, SystemClock().now())
    if as_json:
        show_json(telling.document(made))
        return
    facts = [("fleet", made.entry.fleet), ("status", telling.state(made)), *telling.facts(made)]
    steps = plain_table(telling.step_rows(made), *telling.STEPS)
    console().print(Rows(plain_table(facts, "", ""), Text(""), steps))
    _written(html)


async def _course(url: str, rollout: str | None, journal: str | None) -> Course:
    from immutable.report.course import course

    where = FleetURL.parse(url)
    kind = await asyncio.to_thread(backend_class, where.scheme)
    address = where.identity(*kind.identifying)
    async with existing(journal) as book:
        entries = await book.entries(fleet=address, rollout=rollout)
        if not entries:
            way_out = f"immutable history {address} lists what this journal has"
            raise InvalidValue("rollout", rollout, f"{address} had none such", way_out)
        events = await book.events(entries[-1].rollout)
    return course(entries[-1], events, SystemClock().now())


async def _fleet(
    url: str, html: Path | None, journal: str | None, actor: str | None, *, as_json: bool
) -> None:
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        state, entries = await fleet.state(), await fleet.history()
    if html is not None:
        from immutable.report import looking

        await asyncio.to_thread(_write, html, looking.page, fleet.address, state, entries)
    if as_json:
        show_json(documents.fleet(fleet.address, state))
        return
    console().print(fleet_table(fleet.address, state))
    _written(html)


# On a thread: templates are read from the disk.
def _write(html: Path, page: Callable[..., str], *values: Any) -> None:
    if find_spec("jinja2") is None:
        fail(1, "jinja2 is missing", "install it with: pip install 'immutable-sdk[cli]'")
    html.write_text(page(*values), encoding="utf-8")


def _written(html: Path | None) -> None:
    if html is not None:
        console().print(f"written to {html}", markup=False)
