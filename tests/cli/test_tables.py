"""Tables: what somebody wants to copy from one stays in one piece."""

from __future__ import annotations

import pytest
from rich.console import Console

from immutable.cli.running import console
from immutable.cli.tables import plain_table

LONG = ("20261129-043010-a37323", "a sentence that is longer than what is left of a narrow line")


def shown(width):
    screen = Console(width=width, force_terminal=True, color_system=None)
    with screen.capture() as capture:
        screen.print(plain_table([LONG], "rollout", "reason"))
    return capture.get()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_what_a_row_is_called_by_is_never_broken(width):
    told = shown(width)
    assert LONG[0] in told
    assert all(word in told for word in LONG[1].split())


def test_what_goes_to_another_program_is_not_broken_at_all(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    console().print(plain_table([LONG] * 2, "rollout", "reason"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.split("  ", 1)[0] == LONG[0] for line in lines[1:])
    assert all(LONG[1] in line for line in lines[1:])
    monkeypatch.setenv("COLUMNS", "40")
    console().print(plain_table([LONG], "rollout", "reason"))
    assert len(capsys.readouterr().out.splitlines()) > 2
