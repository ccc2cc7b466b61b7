"""What the live display shows of a rollout while it runs."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from immutable.cli.tables import stamp
from immutable.model import Bake, Event, FleetState, Group, InstanceState, Verdict
from immutable.model.quantities import duration
from immutable.model.records import Intended
from immutable.report.remaining import remaining
from immutable.report.story import Story

__all__ = ["Picture"]

_SHOWN = 6
_BAR, _LEAST, _BESIDE = 30, 5, 70
"""How wide bars are: at most, at least, and what is to stay for what is beside them."""
_VERDICTS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "magenta",
}


@define
class Picture:
    """Bars of both revisions, step, end, last decision, gates, what to type, latest events.

    Attributes:
        fleet: The fleet's address.
        story: What the rollout's events have told; None before the first.
        state: The fleet as it was seen last.
    """

    fleet: str
    story: Story | None = None
    state: FleetState | None = None
    _lines: list[str] = field(factory=list, init=False)
    _decision: str = field(default="", init=False)

    def add(self, event: Event, said: str) -> None:
        """Show what an event said, if it said something."""
        if said:
            self._lines.append(f"{stamp(event.at)[11:]} {said}")
        if isinstance(event.record, Intended):
            self._decision = said

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the rows, as wide as the terminal is."""
        yield Text(self.fleet, style="bold")
        yield self._bars(max(_LEAST, min(_BAR, options.max_width - _BESIDE)))
        if self.story is not None:
            yield from self._standing(self.story)
            if self._decision and self.story.ledger.ended is None:
                yield _line(f"decided: {self._decision}")
            yield from self._gates(self.story)
            for way, does in self.story.ways_on():
                yield _line(f"  {way}  ({does})", "cyan")
        for line in self._lines[-_SHOWN:]:
            yield _line(line, "dim")

    def _bars(self, wide: int) -> Table:
        bars = Table.grid(padding=(0, 1))
        for _ in range(4):
            bars.add_column(no_wrap=True, overflow="ellipsis")
        wanted = self.story.ledger.wanted if self.story else 0
        for group in self.state.groups if self.state else ():
            members = self.state.members(group.number) if self.state else ()
            ready = sum(each.state is InstanceState.READY for each in members)
            bars.add_row(
                f"r{group.number} {group.revision.image}",
                ProgressBar(total=max(1, wanted), completed=ready, width=wide),
                f"{ready} ready, {len(members)} existing of {wanted}",
                self._traffic(group, ready),
            )
        return bars

    def _traffic(self, group: Group, ready: int) -> str:
        """Return a group's share of the traffic: as it is set, else by who can take any."""
        if group.weight is not None:
            return f"{group.weight:g} % of the traffic"
        everybody = self.state.ready if self.state else 0
        return f"about {ready / everybody:.0%} of the traffic" if everybody else ""

    def _standing(self, story: Story) -> Iterator[Text]:
        if story.step:
            yield Text(story.step + self._rest(story))
        left = remaining(story.plan, story.ledger, self.state) if self.state else None
        if left is not None and self.state is not None:
            until = stamp(self.state.at + left)[11:]
            yield Text(f"about {duration(_rounded(left))} to go, until about {until} UTC")
        if story.ledger.paused:
            yield Text(f"paused: {story.ledger.paused}", style="bold yellow")

    def _rest(self, story: Story) -> str:
        """Return how long a bake has to go, if it is one and nothing else holds it up."""
        steps, ledger = story.plan.steps, story.ledger
        step = steps[ledger.step] if steps else None
        halted = ledger.paused or ledger.back or ledger.ended is not None
        if not isinstance(step, Bake) or halted or self.state is None:
            return ""
        rest = round(step.seconds - (self.state.at - ledger.entered_at))
        return f" ({duration(rest)} to go)" if rest > 0 else ""

    def _gates(self, story: Story) -> Iterator[Text]:
        for said in story.gates():
            line = _line(f"  {said.gate}: ")
            if said.verdict is None:
                line.append(said.detail or "nothing so far", style="dim")
            else:
                line.append(said.verdict.value, style=_VERDICTS[said.verdict])
                line.append(f" ({said.detail})" if said.detail else "")
            yield line


def _rounded(seconds: float) -> int:
    """Return a length of time no more exactly than it is known."""
    step = 1 if seconds < 60 else 10 if seconds < 600 else 60
    return round(seconds / step) * step


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, overflow="ellipsis", no_wrap=True)
