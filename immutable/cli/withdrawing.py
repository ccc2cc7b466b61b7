"""What ``image revoke`` and ``image restore`` do in the clouds: options, lines, exit codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from immutable.cli.running import FAILED, console, fail
from immutable.images import Outcome, Withdrawal
from immutable.model.serial import to_json

__all__ = ["PLACES", "WAYS", "shown", "told"]

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
