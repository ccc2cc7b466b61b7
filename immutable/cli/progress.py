"""A rollout while it runs: bars where somebody looks, lines where a log is kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

from rich.console import Console
from rich.live import Live
from rich.text import Text

from immutable.cli.picture import Picture
from immutable.cli.running import Interrupted, console, show_json
from immutable.cli.tables import STYLES, stamp
from immutable.errors import ImmutableError
from immutable.fleet import Fleet
from immutable.model import Event, Result
from immutable.model.quantities import duration
from immutable.model.records import Ended, Started
from immutable.report import documents
from immutable.report.story import Story
from immutable.rollout import Rollout

__all__ = ["follow", "tell"]


async def follow(
    fleet: Fleet, rollout: Rollout, *, as_json: bool, here: bool = True, after: int = -1
) -> Result:
    """Show a rollout until it has ended, and return how.

    Args:
        fleet: Its fleet.
        rollout: The rollout.
        as_json: Whether to print each event as JSON.
        here: Whether this process drives it, so that it stops when the user stops the command.
        after: As for `tell`.

    Raises:
        Interrupted: The user stopped the command.
        RolloutEnded: The rollout did not succeed.
    """
    screen = console(error=as_json)
    try:
        if _watched(screen) and not as_json:
            await _as_bars(fleet, rollout, screen)
        else:
            await tell(rollout, screen, as_json=as_json, after=after)
        result = await rollout
    except asyncio.CancelledError:
        await rollout.stop()
        raise Interrupted(fleet.address, driven=here) from None
    if not as_json:
        took = f"{result.status.value} in {duration(round(result.seconds, 1))}"
        screen.print(Text(took, style=STYLES.get(result.status, "")))
    return result


def _watched(screen: Console) -> bool:
    """Whether somebody looks at a screen that can be drawn on again: not at a CI system's log."""
    automatic = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return screen.is_terminal and not screen.is_dumb_terminal and not automatic


async def tell(rollout: Rollout, screen: Console, *, as_json: bool, after: int = -1) -> None:
    """Print what happens to a rollout until it has ended: a line of text or JSON an event.

    As text only what is news: not that an action went well, and a gate's verdict only when it
    changes.

    Args:
        rollout: The rollout.
        screen: Where to print text.
        as_json: Whether to print all events as JSON, on standard output, instead.
        after: Begin with the first order that has a higher number than this.
    """
    async for event, story, said in _told(rollout):
        if story.ledger.heard <= after:
            continue
        if as_json:
            show_json(documents.event(event, story.words(event.record)))
        elif said:
            screen.print(f"{stamp(event.at)} {said}", markup=False)


async def _told(rollout: Rollout) -> AsyncIterator[tuple[Event, Story, str]]:
    """Yield events with the story so far, and what is new in each."""
    story: Story | None = None
    async for event in rollout.events():
        story = story or Story(await rollout.plan())
        yield event, story, story.hear(event.record)


async def _as_bars(fleet: Fleet, rollout: Rollout, screen: Console) -> None:
    picture = Picture(fleet.address)
    with Live(picture, console=screen, refresh_per_second=8, transient=False):
        looking = asyncio.create_task(_keep_looking(fleet, picture))
        try:
            async for event, story, said in _told(rollout):
                picture.story = story
                picture.add(event, said)
                if isinstance(event.record, (Started, Ended)):
                    await _look(fleet, picture)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _keep_looking(fleet: Fleet, picture: Picture) -> None:
    while True:
        await _look(fleet, picture)
        await asyncio.sleep(max(0.5, fleet.backend.capabilities.poll))


async def _look(fleet: Fleet, picture: Picture) -> None:
    # A picture that is a little old is better than none.
    with suppress(ImmutableError):
        picture.state = await fleet.state()
