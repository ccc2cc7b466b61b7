"""Commands that move a fleet to another image, and that look at how it went."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from immutable.cli.options import as_json, environment, limits_from, limits_options, where
from immutable.cli.progress import follow
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import history_table
from immutable.fleet import Fleet
from immutable.model import Limits, Plan, RuntimeConfig
from immutable.model.serial import digest, dump_plan, load_plan
from immutable.report import documents
from immutable.strategies import Rolling

__all__ = ["apply", "history", "plan", "recover", "replace", "rollback", "watch"]

REASON = click.option("--reason", default="", help="Why; goes into the record.")
PROBE = click.option(
    "--probe/--no-probe", default=True, help="Let the first new server prove the image alone."
)
ENV = click.option(
    "--env", multiple=True, metavar="NAME=VALUE", help="Setting of the instances; repeatable."
)


async def _planned(
    fleet: Fleet, image: str | None, *, probe: bool, env: tuple[str, ...], options: dict[str, Any]
) -> Plan:
    config = None
    if env:
        current = (await fleet.state()).groups[0].revision.config
        config = RuntimeConfig({**current.environment, **environment(env)}, current.secrets)
    limits: Limits = limits_from(fleet.backend.capabilities.limits, options)
    return await fleet.plan(image, Rolling(probe=probe), limits=limits, config=config)


@click.command()
@click.argument("url")
@click.argument("image", required=False)
@PROBE
@ENV
@limits_options
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this file.")
@where
@as_json
@command
async def plan(
    url: str,
    image: str | None,
    probe: bool,
    env: tuple[str, ...],
    out: Path | None,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what a replacement of the fleet at URL by IMAGE would do. Touches nothing."""
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        made = await _planned(fleet, image, probe=probe, env=env, options=options)
    if out is not None:
        await asyncio.to_thread(out.write_text, dump_plan(made), encoding="utf-8")
    if as_json:
        show_json(documents.plan(made))
        return
    screen = console()
    screen.print(str(made), markup=False)
    screen.print(f"{'digest':<12} {digest(made)}", markup=False)
    if out is not None:
        screen.print(f"written to {out}; carry it out with: immutable apply {out}", markup=False)


@click.command()
@click.argument("plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@REASON
@where
@as_json
@command
async def apply(
    plan_file: Path, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Carry out the plan in PLAN_FILE, as written by `immutable plan --out`."""
    made = load_plan(await asyncio.to_thread(plan_file.read_text, encoding="utf-8"))
    async with Fleet.connect(made.fleet, journal=journal, actor=actor) as fleet:
        result = await follow(fleet, fleet.apply(made, reason=reason), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@click.argument("image", required=False)
@PROBE
@ENV
@limits_options
@REASON
@where
@as_json
@command
async def replace(
    url: str,
    image: str | None,
    probe: bool,
    env: tuple[str, ...],
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Replace the instances of the fleet at URL by new ones started from IMAGE.

    Without IMAGE the fleet keeps its image: with --env, only its configuration changes.
    """
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        made = await _planned(fleet, image, probe=probe, env=env, options=options)
        result = await follow(fleet, fleet.apply(made, reason=reason), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@click.option("--to", type=int, help="Number of the revision; default the one before.")
@limits_options
@REASON
@where
@as_json
@command
async def rollback(
    url: str,
    to: int | None,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring the fleet at URL back to an earlier revision, by a new rollout."""
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        limits = limits_from(fleet.backend.capabilities.limits, options)
        back = fleet.rollback(to=to, limits=limits, reason=reason)
        result = await follow(fleet, back, as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@where
@as_json
@command
async def recover(url: str, journal: str | None, actor: str | None, as_json: bool) -> None:
    """Carry on the fleet's rollout whose controller died."""
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        result = await follow(fleet, fleet.recover(), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@click.argument("rollout", required=False)
@where
@as_json
@command
async def watch(
    url: str, rollout: str | None, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Follow a rollout that runs elsewhere: the one named, else the newest."""
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        result = await follow(fleet, await fleet.rollout(rollout), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@where
@as_json
@command
async def history(url: str, journal: str | None, actor: str | None, as_json: bool) -> None:
    """List the rollouts of the fleet at URL."""
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        entries = await fleet.history()
    if as_json:
        show_json([documents.entry(entry) for entry in entries])
    else:
        console().print(history_table(entries))
