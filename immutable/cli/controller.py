"""The command that drives other people's rollouts."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import click

from immutable.cli.options import DURATION
from immutable.cli.options import journal as journal_option
from immutable.cli.running import command, console
from immutable.connecting import opened_journal
from immutable.controller import Controller

__all__ = ["controller"]


@click.command()
@journal_option
@click.option("--most", type=click.IntRange(1), default=500, show_default=True,
              help="Rollouts to drive at once.")  # fmt: skip
@click.option("--lease", type=DURATION, default=10.0, show_default=True,
              help="How long the others wait for this one when it is not heard of.")  # fmt: skip
@command
async def controller(journal: str | None, most: int, lease: float) -> None:
    """Drive rollouts that nobody drives: those submitted, and those whose controller died.

    Several share the work through one journal. Stopped by Ctrl-C or SIGTERM, it hands its rollouts
    over at a safe point. It needs the credentials of all fleets whose rollouts are in the journal.
    """
    if lease < 1:
        raise click.BadParameter("less than a second is lost to any delay", param_hint="--lease")
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    async with opened_journal(journal) as book:
        book.ttl = lease
        worker = Controller(book, most=most)
        running = asyncio.ensure_future(worker.run())
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, running.cancel)
        console(error=True).print(f"controller {worker.name} looks for work", markup=False)
        with suppress(asyncio.CancelledError):
            await running
