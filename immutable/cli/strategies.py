"""Options that choose a strategy, and the strategy that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from immutable.cli.options import DURATION
from immutable.gates.checks import find
from immutable.model import (
    Analysis,
    Approval,
    Capabilities,
    Check,
    Gate,
    Health,
    Strategy,
)
from immutable.strategies import BlueGreen, Canary, Rolling

__all__ = ["check_strategy", "strategy_from", "strategy_options"]

F = TypeVar("F", bound=Callable[..., Any])

_ROLLING, _BLUE_GREEN, _CANARY = "rolling", "blue-green", "canary"
_BOTH = (_BLUE_GREEN, _CANARY)

_BELONGS = {
    "probe": ("--probe/--no-probe", (_ROLLING,)),
    "stages": ("--stages", (_CANARY,)),
    "bake": ("--bake", _BOTH),
    "keep_stable": ("--keep-stable", _BOTH),
    "approval": ("--approval", _BOTH),
    "check": ("--check", _BOTH),
    "no_analysis": ("--no-analysis", (_CANARY,)),
}

_ABSENT = {"check": (), "no_analysis": False}
"""Options that are something else than None when they aren't given."""

_OPTIONS = (
    click.option(
        "--strategy", type=click.Choice((_ROLLING, *_BOTH)), default=_ROLLING, show_default=True,
        help="The way to go.",
    ),
    click.option(
        "--probe/--no-probe", default=None,
        help="rolling: let the first new server prove the image alone (default).",
    ),
    click.option(
        "--stages", metavar="SHARES", help="canary: the new servers' shares; default 5%,25%,100%.",
    ),
    click.option(
        "--bake", type=DURATION,
        help="blue-green, canary: how long each share is held under the gates; default 5m.",
    ),
    click.option(
        "--keep-stable", type=DURATION,
        help="blue-green, canary: how long the old servers are kept for a quick rollback.",
    ),
    click.option(
        "--approval", is_flag=False, flag_value="", metavar="[WHO]",
        help="blue-green: before the switch, canary: at each share, wait for `immutable promote`.",
    ),
    click.option(
        "--check", multiple=True, metavar="MODULE:NAME",
        help="blue-green, canary: a function of yours that must agree; repeatable.",
    ),
    click.option(
        "--no-analysis", is_flag=True,
        help="canary: don't compare the new servers' errors and latency with the old ones'.",
    ),
)  # fmt: skip


def strategy_options(function: F) -> F:
    """Add the options that choose a strategy."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def check_strategy(options: dict[str, Any]) -> None:
    """Refuse options that don't fit the strategy.

    Raises:
        click.UsageError: One belongs to another strategy; says which.
    """
    chosen = options["strategy"]
    for name, (option, strategies) in _BELONGS.items():
        if options[name] != _ABSENT.get(name) and chosen not in strategies:
            which = " or ".join(strategies)
            said = f"{option} belongs to --strategy {which}, not to {chosen}"
            raise click.UsageError(said, click.get_current_context(silent=True))


def strategy_from(options: dict[str, Any], able: Capabilities) -> Strategy:
    """Return the strategy that the options choose, for a backend that is *able*.

    Raises:
        InvalidValue: A value makes no sense, or a check can't be imported.
    """
    if options["strategy"] == _ROLLING:
        return Rolling(probe=options["probe"] is not False)
    given = {name: options[name] for name in ("bake", "keep_stable")}
    facts = {name: value for name, value in given.items() if value is not None}
    if options["strategy"] == _BLUE_GREEN:
        return _blue_green(options, facts)
    return _canary(options, facts, able)


def _blue_green(options: dict[str, Any], facts: dict[str, Any]) -> BlueGreen:
    checks = _checks(options)
    # Who must approve does so before the switch: afterwards the candidate has all the traffic.
    preview: tuple[Gate, ...] = (Health(), *checks, *_approval(options))
    return BlueGreen(preview=preview, gates=(Health(), *checks), **facts)


def _canary(options: dict[str, Any], facts: dict[str, Any], able: Capabilities) -> Canary:
    if options["stages"] is not None:
        facts["stages"] = tuple(each.strip() for each in options["stages"].split(","))
    more = (*_checks(options), *_approval(options))
    if more or options["no_analysis"]:
        compared = able.traffic_stats and not options["no_analysis"]
        first: tuple[Gate, ...] = (Health(), Analysis()) if compared else (Health(),)
        facts["gates"] = (*first, *more)
    return Canary(**facts)


def _checks(options: dict[str, Any]) -> tuple[Check, ...]:
    gates = tuple(Check(call) for call in options["check"])
    for gate in gates:
        find(gate)  # Now, not at the first look, when half of the fleet may be there.
    return gates


def _approval(options: dict[str, Any]) -> Iterator[Approval]:
    if options["approval"] is not None:
        yield Approval(options["approval"])
