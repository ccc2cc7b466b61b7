"""What is seen of a rollout while it runs: on wide and narrow terminals, in CI, without colours."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from immutable import Canary, Rolling
from immutable.cli.picture import Picture
from immutable.report.story import Story
from tests.cli.conftest import URL


@pytest.fixture(autouse=True)
def _nothing_of_whoever_runs_it(monkeypatch):
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def drawn(lab, wide: int, **how) -> list[str]:
    async def draw():
        async with lab.fleet() as fleet:
            rollout = await fleet.rollout()
            made = Picture(fleet.address, Story(await rollout.plan()), await fleet.state())
            for event in await fleet._journal.events(rollout.id):
                made.add(event, made.story.hear(event.record))
        return made

    screen = Console(width=wide, file=io.StringIO(), legacy_windows=False, **how)
    screen.print(lab.do(draw()))
    return screen.file.getvalue().splitlines()


def test_the_end_the_shares_and_the_last_decision_are_seen(lab):
    lab.begin(Rolling(), after=60)
    shown = "\n".join(drawn(lab, 160))
    assert re.search(r"about \d.* to go, until about \d\d:\d\d:\d\d UTC", shown)
    assert re.search(r"about \d+% of the traffic", shown)
    assert re.search(r"decided: (grow|retire) .* = \d+ may (start|go)", shown)


def test_what_waits_for_somebody_has_no_end(lab):
    lab.begin(Canary(("25%",), bake=1_000), after=200)
    assert any("to go, until" in line for line in drawn(lab, 160))
    lab.run("pause", URL, "--reason", "lunch")
    assert not any("to go, until" in line for line in drawn(lab, 160))


@pytest.mark.parametrize("wide", [40, 60, 80, 120])
def test_no_line_is_longer_than_the_terminal_is_wide(lab, wide):
    lab.begin(Canary(("25%",), bake=1_000), after=200)
    lines = drawn(lab, wide)
    assert max(map(len, lines)) <= wide
    assert any("━" in line for line in lines)


def test_without_colours_there_is_none(lab, monkeypatch):
    lab.begin(Rolling(), after=60)
    coloured = "\n".join(drawn(lab, 120, force_terminal=True, color_system="standard"))
    assert re.search(r"\x1b\[\d*;?3\dm", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = "\n".join(drawn(lab, 120, force_terminal=True, color_system="standard"))
    assert not re.search(r"\x1b\[(\d+;)*[39]\dm", plain)


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_nobody_looks_at_a_log_so_there_is_a_line_for_each_thing(lab, monkeypatch, name, value):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(name, value)
    shown = lab.run("replace", URL, "v2").stdout
    assert "━" not in shown
    assert "point of no return" in shown
    assert len(shown.splitlines()) > 8
