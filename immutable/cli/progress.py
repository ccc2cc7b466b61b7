"""A rollout while it runs: bars where somebody looks, lines where a log is kept."""

from __future__ import annotations

import asyncio

from attrs import define, field
from rich.console import Console
from rich.console import Group as Rows
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from immutable.cli.running import Interrupted, console, show_json
from immutable.cli.tables import STYLES, stamp
from immutable.fleet import Fleet
from immutable.model import Event, FleetState, InstanceState, Result
from immutable.model.quantities import duration
from immutable.model.records import Ended, Started
from immutable.report import documents
from immutable.report.words import noteworthy, words
from immutable.rollout import Rollout

__all__ = ["follow"]

_SHOWN = 6


async def follow(fleet: Fleet, rollout: Rollout, *, as_json: bool) -> Result:
    """Show a rollout until it has ended, and return how.

    Raises:
        Interrupted: The user stopped it; it can be recovered.
        RolloutEnded: It did not succeed.
    """
    screen = console(error=as_json)
    try:
        if as_json:
            await _as_json(rollout)
        elif screen.is_terminal:
            await _as_bars(fleet, rollout, screen)
        else:
            await _as_lines(rollout, screen)
        result = await rollout
    except asyncio.CancelledError:
        await rollout.stop()
        raise Interrupted(fleet.address) from None
    if not as_json:
        took = f"{result.status.value} in {duration(round(result.seconds, 1))}"
        screen.print(Text(took, style=STYLES.get(result.status, "")))
    return result


async def _as_json(rollout: Rollout) -> None:
    async for event in rollout.events():
        show_json(documents.event(event))


async def _as_lines(rollout: Rollout, screen: Console) -> None:
    async for event in rollout.events():
        if noteworthy(event.record):
            screen.print(f"{stamp(event.at)} {words(event.record)}", markup=False)


@define
class _Picture:
    """What the live display shows."""

    fleet: str
    events: list[Event] = field(factory=list)
    state: FleetState | None = None
    wanted: int = 0

    def add(self, event: Event) -> None:
        self.wanted = getattr(event.record, "wanted", self.wanted)
        if noteworthy(event.record):
            self.events.append(event)

    def __rich__(self) -> Rows:
        lines = [
            Text(f"{stamp(event.at)[11:]} {words(event.record)}", overflow="ellipsis", no_wrap=True)
            for event in self.events[-_SHOWN:]
        ]
        return Rows(Text(self.fleet, style="bold"), self._bars(), *lines)

    def _bars(self) -> Table:
        bars = Table.grid(padding=(0, 1))
        for group in self.state.groups if self.state else ():
            members = self.state.members(group.number) if self.state else ()
            ready = sum(each.state is InstanceState.READY for each in members)
            label = f"r{group.number} {group.revision.image}"
            bar = ProgressBar(total=max(1, self.wanted), completed=ready, width=30)
            bars.add_row(label, bar, f"{ready} ready, {len(members)} existing of {self.wanted}")
        return bars


async def _as_bars(fleet: Fleet, rollout: Rollout, screen: Console) -> None:
    picture = _Picture(fleet.address)
    with Live(picture, console=screen, refresh_per_second=8, transient=False):
        looking = asyncio.create_task(_keep_looking(fleet, picture))
        try:
            async for event in rollout.events():
                picture.add(event)
                if isinstance(event.record, (Started, Ended)):
                    picture.state = await fleet.state()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def _keep_looking(fleet: Fleet, picture: _Picture) -> None:
    while True:
        picture.state = await fleet.state()
        await asyncio.sleep(0.5)
