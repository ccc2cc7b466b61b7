"""The command that shows a rollout before it happens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group as Rows
from rich.text import Text

from immutable.cli.options import as_json, limits_options, where
from immutable.cli.rollouts import ways
from immutable.cli.running import command, console, show_json
from immutable.cli.strategies import check_strategy, strategy_options
from immutable.cli.tables import plain_table
from immutable.fleet import Fleet
from immutable.strategies import BlueGreen, Canary, Rolling

if TYPE_CHECKING:
    from immutable.simulation import Rehearsal

__all__ = ["rehearse"]

_OTHERS = {"rolling": Rolling, "blue-green": BlueGreen, "canary": Canary}

_OPTIONS = (
    click.option("--trials", type=int, default=100, show_default=True, help="How many trials."),
    click.option(
        "--fault", "faults", multiple=True, metavar="NAME[:FIELD=VALUE,…]",
        help="What goes wrong: bad-image:errors=5%, no-room:lasts=600, throttling, lost-answers,"
        " autoscaler:to=20, controller-crash; repeatable.",
    ),
    click.option("--traffic", type=float, help="Requests per second; default as counted."),
    click.option("--seed", type=int, default=0, show_default=True, help="For other chances."),
    click.option("--workers", type=int, help="Processes; default one for each core."),
    click.option(
        "--against", multiple=True, type=click.Choice(tuple(_OTHERS)),
        help="Another strategy, with its defaults, over the same seeds; repeatable.",
    ),
    click.option(
        "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this file."
    ),
    click.option("--table", is_flag=True, help="Print what the picture shows, too."),
)  # fmt: skip


def _options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command()
@click.argument("url")
@click.argument("image", required=False)
@strategy_options
@limits_options
@_options
@where
@as_json
@command
async def rehearse(
    url: str,
    image: str | None,
    trials: int,
    faults: tuple[str, ...],
    traffic: float | None,
    seed: int,
    workers: int | None,
    against: tuple[str, ...],
    svg: Path | None,
    table: bool,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show how a replacement of the fleet at URL would go: how long, how safe, how dear.

    The real plan is carried out many times by the real engine, on a simulated twin of the fleet, in
    virtual time. Touches nothing.
    """
    # Imported here: no other command simulates anything.
    from immutable.report import rehearsing
    from immutable.simulation import compare

    check_strategy(options)
    how: dict[str, Any] = {
        "trials": trials, "faults": faults, "traffic": traffic, "seed": seed, "workers": workers,
    }  # fmt: skip
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        chosen = await ways(fleet, (), options)
        made = await _rehearsed(fleet, image, chosen["strategy"], chosen["limits"], how)
        # All must be asked the same: what the fleet's clients did meanwhile is no difference.
        how["traffic"] = made.traffic
        others = [await _rehearsed(fleet, image, _OTHERS[name](), None, how) for name in against]
    if svg is not None:
        await asyncio.to_thread(svg.write_text, rehearsing.picture(made), encoding="utf-8")
    if as_json:
        documents = [rehearsing.rehearsal(each) for each in (made, *others)]
        show_json(documents if others else documents[0])
        return
    screen = console()
    screen.print(plain_table(rehearsing.summary_rows(made), "", "", title=made.plan.fleet))
    if others:
        head, *rows = rehearsing.comparison_rows(compare(made, *others))
        screen.print(Rows(Text(""), plain_table(rows, *head)))
    if table:
        screen.print(_tables(made))
    if svg is not None:
        screen.print(f"drawn into {svg}", markup=False)


async def _rehearsed(
    fleet: Fleet, image: str | None, strategy: Any, limits: Any, how: dict[str, Any]
) -> Rehearsal:
    return await fleet.rehearse(image, strategy, limits=limits, **how)


def _tables(made: Rehearsal) -> Rows:
    from immutable.report import rehearsing

    lengths = plain_table(rehearsing.length_rows(made), "length", "trials")
    course = plain_table(
        rehearsing.course_rows(made),
        "time", "stable ready", "new ready", "existing", "share of the traffic",
    )  # fmt: skip
    return Rows(Text(""), lengths, Text(""), course)
