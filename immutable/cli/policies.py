"""Commands on the policies that fleets carry: which images may be launched on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from immutable.admission import Policy, break_glass, set_policy
from immutable.catalog import Catalog
from immutable.cli.bundles import FILE, read
from immutable.cli.grouping import Commands
from immutable.cli.options import DURATION, as_json, where
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import stamp
from immutable.connecting import opened_journal
from immutable.fleet import Fleet
from immutable.model import SystemClock
from immutable.model.catalog import CatalogRecord
from immutable.report import cataloguing as documents

__all__ = ["policy"]

_Change = Callable[[Fleet, Catalog, float], Sequence[CatalogRecord]]
_REASON = click.option("--reason", required=True, help="Why; goes into the record.")


@click.group(cls=Commands)
def policy() -> None:
    """Say which images may be launched on a fleet, and who has to approve that."""


@policy.command(name="set")
@click.argument("url")
@click.argument("policy_file", type=FILE)
@_REASON
@where
@as_json
@command
async def set_(
    url: str, policy_file: Path, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Let the fleet at URL carry the policy in POLICY_FILE (TOML).

    Each plan is asked about it when it is made, when it is begun, and before the first launch.
    """
    wanted = await asyncio.to_thread(Policy.from_toml, await read(policy_file))
    await _change(url, journal, actor, _setting(wanted, reason), as_json=as_json)


@policy.command()
@click.argument("url")
@_REASON
@where
@as_json
@command
async def clear(
    url: str, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Let the fleet at URL carry no policy any more: what is not revoked may be launched."""
    await _change(url, journal, actor, _setting(None, reason), as_json=as_json)


@policy.command()
@click.argument("url")
@where
@as_json
@command
async def show(url: str, journal: str | None, actor: str | None, as_json: bool) -> None:
    """Show the policy that the fleet at URL carries, and whether it is bypassed."""
    await _change(url, journal, actor, None, as_json=as_json)


@policy.command(name="break-glass")
@click.argument("url")
@click.option(
    "--for", "length", type=DURATION, required=True, help="For how long: 30m, 2h. 0 ends it."
)
@_REASON
@where
@as_json
@command
async def break_glass_(
    url: str, length: float, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Bypass the policy of the fleet at URL for a while.

    It is asked all the same, and what it says is on record with who bypassed it and why. An image
    that is revoked is not launched even so.
    """
    await _change(
        url,
        journal,
        actor,
        lambda fleet, catalog, now: break_glass(
            catalog, now, fleet.address, now + length, reason=reason, actor=fleet.actor
        ),
        as_json=as_json,
    )


def _setting(policy: Policy | None, reason: str) -> _Change:
    """Return what gives a fleet a policy, or takes it away."""
    return lambda fleet, catalog, _: set_policy(
        catalog, fleet.address, policy, actor=fleet.actor, reason=reason
    )


async def _change(
    url: str,
    journal: str | None,
    actor: str | None,
    decide: _Change | None,
    *,
    as_json: bool,
) -> None:
    """Change what a fleet carries, if that is asked for, and show it."""
    async with (
        opened_journal(journal) as book,
        Fleet.connect(url, journal=book, actor=actor) as fleet,
    ):
        if decide is not None:
            await book.change_catalog(partial(decide, fleet))
        catalog = await book.catalog()
    now = SystemClock().now()
    if as_json:
        show_json(documents.policy(catalog, fleet.address, now))
        return
    _show(catalog, fleet.address, now)


def _show(catalog: Catalog, address: str, now: float) -> None:
    screen, carried = console(), catalog.policies.get(address)
    if carried is None:
        screen.print(
            f"{address} carries no policy: what is not revoked may be launched", markup=False
        )
        return
    screen.print(f"{address} launches an image if it is or has:", markup=False)
    for rule in Policy.load(carried.policy).require:
        screen.print(f"  {rule}", markup=False)
    since = f"set {stamp(carried.at)} UTC by {carried.actor or 'nobody named'}: {carried.reason}"
    screen.print(since, markup=False)
    if (bypass := catalog.bypass(address, now)) is not None:
        screen.print(f"until {stamp(bypass.until)} UTC it is {bypass}", markup=False)
