"""What the live display shows of a rollout while it runs."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field
from rich.console import Group as Rows
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from immutable.cli.tables import stamp
from immutable.model import Bake, Event, FleetState, InstanceState, Verdict
from immutable.model.quantities import duration
from immutable.report.story import Story

__all__ = ["Picture"]

_SHOWN = 6
_VERDICTS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "magenta",
}


@define
class Picture:
    """Bars of both revisions, the step, the gates, what to type, and the latest events.

    Attributes:
        fleet: The fleet's address.
        story: What the rollout's events have told; None before the first.
        state: The fleet as it was seen last.
    """

    fleet: str
    story: Story | None = None
    state: FleetState | None = None
    _lines: list[str] = field(factory=list, init=False)

    def add(self, event: Event, said: str) -> None:
        """Show what an event said, if it said something."""
        if said:
            self._lines.append(f"{stamp(event.at)[11:]} {said}")

    def __rich__(self) -> Rows:
        head = Text(self.fleet, style="bold")
        rows: list[RenderableType] = [head, self._bars()]
        if self.story is not None:
            rows += [*self._standing(self.story), *self._gates(self.story)]
            rows += [_line(f"  {way}  ({does})", "cyan") for way, does in self.story.ways_on()]
        return Rows(*rows, *(_line(line, "dim") for line in self._lines[-_SHOWN:]))

    def _bars(self) -> Table:
        bars = Table.grid(padding=(0, 1))
        wanted = self.story.ledger.wanted if self.story else 0
        for group in self.state.groups if self.state else ():
            members = self.state.members(group.number) if self.state else ()
            ready = sum(each.state is InstanceState.READY for each in members)
            bars.add_row(
                f"r{group.number} {group.revision.image}",
                ProgressBar(total=max(1, wanted), completed=ready, width=30),
                f"{ready} ready, {len(members)} existing of {wanted}",
                "" if group.weight is None else f"{group.weight:g} % of the traffic",
            )
        return bars

    def _standing(self, story: Story) -> Iterator[Text]:
        if story.step:
            yield Text(story.step + self._rest(story))
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


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, overflow="ellipsis", no_wrap=True)
