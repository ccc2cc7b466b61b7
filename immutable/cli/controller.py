"""The command that drives other people's rollouts."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import click

from immutable.cli.options import DURATION, RATE
from immutable.cli.options import journal as journal_option
from immutable.cli.running import command, console
from immutable.cli.telling import catch_up, telling
from immutable.connecting import opened_journal
from immutable.controller import Controller
from immutable.following import Follower
from immutable.images import connecting
from immutable.model import Rate

__all__ = ["controller"]


@click.command()
@journal_option
@click.option("--most", type=click.IntRange(1), default=500, show_default=True,
              help="Rollouts to drive at once.")  # fmt: skip
@click.option("--launches", type=RATE, metavar="BURST,PER_SECOND",
              help="How fast all rollouts of a place may launch together, such as 1000,2;"
                   " they share it fairly, and a fifth is kept for ways back.")  # fmt: skip
@click.option("--surge", type=click.IntRange(1), metavar="N",
              help="How many servers all rollouts of a place may have together above what their"
                   " fleets want.")  # fmt: skip
@click.option("--lease", type=DURATION, default=10.0, show_default=True,
              help="How long the others wait for this one when it is not heard of.")  # fmt: skip
@command
@telling
async def controller(
    journal: str | None, most: int, launches: Rate | None, surge: int | None, lease: float
) -> None:
    """Drive rollouts that nobody drives: those submitted, and those whose controller died.

    Several share the work through one journal. Stopped by Ctrl-C or SIGTERM, it hands its rollouts
    over at a safe point. It needs the credentials of all fleets whose rollouts are in the journal,
    or that follow a channel: those get plans when their channel moves (`immutable follow`).
    """
    if lease < 1:
        raise click.BadParameter("less than a second is lost to any delay", param_hint="--lease")
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    async with opened_journal(journal) as book:
        book.ttl = lease
        await catch_up(book)
        worker = Controller(book, most=most, launches=launches, surge=surge)
        follower = Follower(book, connecting(book))
        running = asyncio.ensure_future(_work(worker, follower))
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, running.cancel)
        console(error=True).print(f"controller {worker.name} looks for work", markup=False)
        with suppress(asyncio.CancelledError):
            await running


async def _work(worker: Controller, follower: Follower) -> None:
    """Drive rollouts, and make plans for fleets that follow a channel, until cancelled."""
    following = asyncio.ensure_future(follower.run())
    try:
        await worker.run()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
