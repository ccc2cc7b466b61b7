"""Commands that move a fleet to another image, and that look at how it went."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from attrs import evolve
from click.core import ParameterSource

from immutable.cli.bundles import FILE, attestations_of
from immutable.cli.configuring import asked, configured, secret_option, unset_option
from immutable.cli.options import (
    as_json,
    limits_from,
    limits_given,
    limits_options,
    settings_options,
    where,
)
from immutable.cli.progress import follow, tell
from immutable.cli.running import REFUSED, command, console, fail, show_json
from immutable.cli.strategies import check_strategy, strategy_from, strategy_options
from immutable.cli.tables import history_table
from immutable.cli.telling import telling
from immutable.cli.volumes import stateful_from, stateful_options
from immutable.errors import Conflict, PlanRefused
from immutable.fleet import Fleet
from immutable.model import Capabilities, Limits, Result, RolledBack, RuntimeConfig
from immutable.model.preview import Preview
from immutable.model.serial import dump_plan, load_plan
from immutable.report import documents
from immutable.rollout import Rollout

__all__ = [
    "apply",
    "history",
    "plan",
    "recover",
    "replace",
    "rollback",
    "show_plan",
    "watch",
    "ways",
]

REASON = click.option("--reason", default="", help="Why; goes into the record.")


async def ways(
    fleet: Fleet, env: tuple[str, ...], options: dict[str, Any], *, stable: int | None = None
) -> dict[str, Any]:
    """Return the strategy, limits, configuration and care for data that the options ask for."""
    able = fleet.backend.capabilities
    ways = {"blue-green": able.weighted_traffic, "canary": able.divides_traffic}
    doubles = ways.get(options["strategy"], False)
    return {
        "strategy": await asyncio.to_thread(strategy_from, options, able),  # Imports checks.
        "limits": _limits(options, able, doubles=doubles),
        "config": await _config(fleet, env, options, stable),
        **stateful_from(options),
    }


def _limits(options: dict[str, Any], able: Capabilities, *, doubles: bool) -> Limits | None:
    """Return the limits that were asked for; None for the backend's, with room for the strategy.

    Args:
        options: What was asked for.
        able: What the backend can do.
        doubles: Whether there will be two whole groups, so that max_surge, unless it was given,
            must leave room for them.
    """
    if not limits_given(options):
        return None
    chosen = limits_from(able.limits, options)
    room = doubles and (options["max_surge"] is None or _by_default("max_surge"))
    return evolve(chosen, max_surge="100%") if room else chosen


def _by_default(name: str) -> bool:
    """Whether an option's value is configured, and not asked for."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP


async def _config(
    fleet: Fleet, env: tuple[str, ...], options: dict[str, Any], stable: int | None = None
) -> RuntimeConfig | None:
    """Return the fleet's configuration as the options change it; None when they don't."""
    groups = (await fleet.state()).groups if asked(env, options) else ()
    found = [group for group in groups if stable in (None, group.number)]
    return configured(found[0].revision.config, env, options) if found else None


@click.command()
@click.argument("url")
@click.argument("image", required=False)
@strategy_options
@settings_options
@secret_option
@unset_option
@stateful_options
@limits_options
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this file.")
@where
@as_json
@command
async def plan(
    url: str,
    image: str | None,
    env: tuple[str, ...],
    out: Path | None,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what a replacement of the fleet at URL by IMAGE would do. Touches nothing."""
    check_strategy(options)
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        made = await fleet.preview(image, **await ways(fleet, env, options))
    await show_plan(made, out, as_json=as_json)


async def show_plan(made: Preview, out: Path | None, *, as_json: bool) -> None:
    """Show a plan, and write it to a file if there is one to write to and nothing stops it.

    Raises:
        PlanRefused: Something does; it has been shown all the same.
    """
    from immutable.report import previewing

    kept = out if not made.problems else None
    if kept is not None:
        await asyncio.to_thread(kept.write_text, dump_plan(made.plan), encoding="utf-8")
    if as_json:
        show_json(previewing.preview(made))
    else:
        screen = console()
        screen.print(str(made.plan), markup=False)
        for name, words in previewing.rows(made):
            screen.print(f"{name:<12} {words}", markup=False)
        if kept is not None:
            way = f"carry it out with: immutable apply {kept}"
            screen.print(f"written to {kept}; {way}", markup=False)
    if made.problems:
        raise PlanRefused(made.problems)


@click.command()
@click.argument("plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--submit", is_flag=True, help="Leave it to the controllers, and don't wait.")
@click.option(
    "--signed", "attestations", type=FILE,
    help="Approvals of the plan; default the file beside it, with .intoto.jsonl at the end.",
)  # fmt: skip
@REASON
@where
@as_json
@command
@telling
async def apply(
    plan_file: Path,
    submit: bool,
    attestations: Path | None,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Carry out the plan in PLAN_FILE, as written by `immutable plan --out`.

    With --submit it is entered into the journal and carried out by an `immutable controller`.
    Whether it needs approvals, and whose, says the policy that the fleet carries.
    """
    made = load_plan(await asyncio.to_thread(plan_file.read_text, encoding="utf-8"))
    given = {"signed": await attestations_of(plan_file, attestations), "reason": reason}
    async with Fleet.connect(made.fleet, journal=journal, actor=actor) as fleet:
        if submit:
            rollout = await fleet.submit(made, **given)
            await _tell_submitted(fleet, rollout, as_json=as_json)
            return
        result = await follow(fleet, fleet.apply(made, **given), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


async def _tell_submitted(fleet: Fleet, rollout: Rollout, *, as_json: bool) -> None:
    if as_json:
        show_json(documents.status(await rollout.status()))
        return
    way = f"immutable watch {fleet.address}"
    console().print(
        f"rollout {rollout.id} waits for a controller; follow it with: {way}", markup=False
    )


@click.command()
@click.argument("url")
@click.argument("image", required=False)
@strategy_options
@settings_options
@secret_option
@unset_option
@stateful_options
@limits_options
@click.option(
    "--supersede", is_flag=True, help="Take the rollout that runs back first, if one does."
)
@REASON
@where
@as_json
@command
@telling
async def replace(
    url: str,
    image: str | None,
    env: tuple[str, ...],
    supersede: bool,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Replace the instances of the fleet at URL by new ones started from IMAGE.

    Without IMAGE the fleet keeps its image: with --env, --secret or --unset, only its configuration
    changes.
    """
    check_strategy(options)
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        if supersede and (old := await _running(fleet)) is not None:
            result = await _supersede(fleet, old, image, env, options, reason, as_json=as_json)
        else:
            made = await fleet.plan(image, **await ways(fleet, env, options))
            result = await follow(fleet, fleet.apply(made, reason=reason), as_json=as_json)
    if as_json:
        show_json(documents.result(result))


async def _running(fleet: Fleet) -> Rollout | None:
    running = [entry for entry in await fleet.history() if not entry.status.ended]
    return await fleet.rollout(running[-1].rollout) if running else None


async def _supersede(
    fleet: Fleet,
    old: Rollout,
    image: str | None,
    env: tuple[str, ...],
    options: dict[str, Any],
    reason: str,
    *,
    as_json: bool,
) -> Result:
    """Show how the old rollout is taken back, then the new one."""
    if image is not None:
        await fleet.image(image)  # An image that doesn't exist is no reason to end anything.
    ledger, plan = await old.ledger(), await old.plan()
    stays = plan.candidate.number if ledger.committed else plan.stable.number
    chosen = await ways(fleet, env, options, stable=stays)
    screen = console(error=as_json)
    screen.print(f"rollout {old.id} is superseded: it ends first", markup=False)
    new = fleet.replace(image, **chosen, supersede=True, reason=reason)
    told = asyncio.ensure_future(tell(old, screen, as_json=as_json, after=ledger.heard))
    try:
        return await follow(fleet, new, as_json=as_json)
    finally:
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)


@click.command()
@click.argument("url")
@click.option("--to", type=int, help="Number of the revision; default the one before.")
@limits_options
@REASON
@where
@as_json
@command
@telling
async def rollback(
    url: str,
    to: int | None,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring the fleet at URL back to an earlier revision, by a new rollout.

    Where the servers of that revision are still kept, all traffic is switched back at once.
    """
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        weighted = any(group.weight is not None for group in (await fleet.state()).groups)
        limits = _limits(options, fleet.backend.capabilities, doubles=weighted)
        back = fleet.rollback(to=to, limits=limits, reason=reason)
        result = await follow(fleet, back, as_json=as_json)
    if as_json:
        show_json(documents.result(result))


@click.command()
@click.argument("url")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The plan that it carries out, where the journal is lost.",
)
@click.option("--to-stable", is_flag=True, help="Return to what the fleet ran before.")
@limits_options
@REASON
@where
@as_json
@command
@telling
async def recover(
    url: str,
    plan_file: Path | None,
    to_stable: bool,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Carry on the fleet's rollout whose controller died.

    Where the journal is lost, the fleet itself tells of the rollout; it is carried on with its
    plan, or returned to stable: within the limits that are given here if the plan is lost too. Make
    sure first that its controller is gone.
    """
    text = await asyncio.to_thread(plan_file.read_text, encoding="utf-8") if plan_file else ""
    made = load_plan(text) if text else None
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        weighted = any(group.weight is not None for group in (await fleet.state()).groups)
        limits = _limits(options, fleet.backend.capabilities, doubles=weighted)
        taken_up = fleet.recover(plan=made, to_stable=to_stable, limits=limits, reason=reason)
        try:
            result = await follow(fleet, taken_up, as_json=as_json)
        except RolledBack as back:
            if not to_stable:
                raise
            result = back.result
        except Conflict as error:
            fail(REFUSED, str(error), f"use: immutable rollback {fleet.address}")
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
        watched = await fleet.rollout(rollout)
        result = await follow(fleet, watched, as_json=as_json, here=False)
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
