"""From a command to an exit code: running coroutines, saying errors, printing JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click
from rich.console import Console

from immutable.cli.hints import hints
from immutable.errors import (
    BuildBusy,
    BuildFailed,
    CatalogRefused,
    FleetBusy,
    ImmutableError,
    InvalidValue,
    NotTrusted,
    OrphanedRollout,
    PlanRefused,
    PlanStale,
    SecretsFound,
)
from immutable.model import RolledBack, RolloutCancelled, RolloutFailed

__all__ = ["FAILED", "REFUSED", "Interrupted", "command", "console", "fail", "show_json"]

P = ParamSpec("P")

ROLLED_BACK, FAILED, REFUSED, CANCELLED, INTERRUPTED = 3, 4, 5, 6, 130
"""Exit codes, besides 0 for success, 1 for an error and 2 for wrong usage."""


_ENDLESS = 10_000


class Interrupted(Exception):  # It is no error.
    """The user stopped a command in the middle of a rollout.

    Args:
        address: The fleet's address.
        driven: Whether the rollout was driven here, so that it stopped too and can be recovered.
    """

    def __init__(self, address: str, *, driven: bool = True) -> None:
        super().__init__(address)
        self.address = address
        self.driven = driven


def console(*, error: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    What goes to a file or another program has no width, so no row of a table is broken there.
    """
    screen = Console(stderr=error, highlight=False, soft_wrap=True)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = _ENDLESS
    return screen


def show_json(document: object) -> None:
    """Print *document* on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))


def fail(code: int, message: str, *hints: str) -> NoReturn:
    """Say what went wrong and what to type next, and leave.

    Raises:
        SystemExit: Always.
    """
    screen = console(error=True)
    screen.print(f"immutable: {message}", style="red", markup=False)
    for hint in hints:
        screen.print(f"  {hint}", markup=False)
    raise SystemExit(code)


_CODES: tuple[tuple[type[ImmutableError], int], ...] = (
    (InvalidValue, 2),
    (FleetBusy, REFUSED),
    (NotTrusted, REFUSED),
    (PlanRefused, REFUSED),
    (PlanStale, REFUSED),
    (OrphanedRollout, REFUSED),
    (BuildBusy, REFUSED),
    (SecretsFound, REFUSED),
    (CatalogRefused, REFUSED),
    (BuildFailed, FAILED),
    (RolledBack, ROLLED_BACK),
    (RolloutFailed, FAILED),
    (RolloutCancelled, CANCELLED),
)


def command(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a command's coroutine, and turn its errors into messages and exit codes."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            asyncio.run(function(*args, **kwargs))
        except Interrupted as error:
            if not error.driven:
                fail(INTERRUPTED, "stopped watching; the rollout goes on by itself")
            way_on = f"carry on with: immutable recover {error.address}"
            fail(INTERRUPTED, "stopped at a safe point; the fleet is stable", way_on)
        except KeyboardInterrupt:
            fail(INTERRUPTED, "stopped")
        except ImmutableError as error:
            code = next((code for kind, code in _CODES if isinstance(error, kind)), 1)
            fail(code, str(error), *hints(error))
        except OSError as error:
            if error.filename is None:
                raise
            fail(1, f"{error.filename}: {error.strerror}")  # A file that was named, or its folder.

    return run
