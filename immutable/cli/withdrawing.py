"""What ``image revoke`` and ``image restore`` do in the clouds: options, lines, exit codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from immutable.cli.running import FAILED, console, fail
from immutable.errors import InvalidValue
from immutable.images import Outcome, Withdrawal
from immutable.model.serial import to_json

__all__ = ["PLACES", "WAYS", "check", "shown", "told", "warn"]

F = TypeVar("F", bound=Callable[..., Any])

WAYS = click.Choice(["deprecate", "disable"])
"""How far an image is withdrawn."""

PLACES = click.option(
    "--backend",
    "places",
    multiple=True,
    metavar="PLACE",
    help="How a cloud is reached, if by more than an artifact's address says:"
    " aws://eu-west-1?profile=prod. May be given several times.",
)


def check(way: str | None, *, at: str | None, plans: object) -> None:
    """Refuse options that make no sense together.

    Raises:
        InvalidValue: They don't; says what to do instead.
    """
    if at and way:
        way_out = "revoke it again with --withdraw when the time has come"
        raise InvalidValue("at", at, "clouds can only be told now", way_out)
    if plans and way == "disable":
        reason = "plans to get off a disabled image would be refused: there is no way back"
        way_out = "deprecate it, apply the plans, then disable it"
        raise InvalidValue("withdraw", way, reason, way_out)


def warn(way: str | None, exposed: Sequence[dict[str, Any]]) -> None:
    """Say which fleets don't heal any more, when an image that they run was disabled."""
    names = ", ".join(dict.fromkeys(each["fleet"] for each in exposed))
    if way == "disable" and names:
        text = f"nothing replaces what dies in {names} while the image is disabled"
        console(error=True).print(text, markup=False)


def shown(found: Sequence[Withdrawal]) -> list[dict[str, Any]]:
    """Return what became of artifacts as JSON: ``image, artifact, outcome, reason`` of each."""
    return [to_json(each) for each in found]


def told(found: Sequence[Withdrawal], stands: str, *, as_json: bool) -> None:
    """Say what became of artifacts; leave with an exit code of failure if one failed.

    Args:
        found: What became of each.
        stands: What holds in the catalog all the same.
        as_json: Whether it was printed already.

    Raises:
        SystemExit: One failed.
    """
    for each in () if as_json else found:
        why = f": {each.reason}" if each.reason else ""
        line = f"{each.image} {each.artifact}: {each.outcome}{why}"
        console().print(line, markup=False)
    failed = sum(each.outcome is Outcome.FAILED for each in found)
    if failed:
        way_out = "the same command tries again what is not done"
        fail(FAILED, f"{failed} of {len(found)} artifacts failed; {stands}", way_out)
