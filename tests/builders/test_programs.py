"""Programs are heard line by line, and nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from immutable.builders.programs import Program, heard, output


def shell(script: str, **how) -> Program:
    return Program(("sh", "-c", script), **how)


def run(program: Program) -> tuple[list[str], int]:
    lines: list[str] = []
    return lines, asyncio.run(heard(program, lines.append))


def test_both_channels_line_by_line_and_the_exit_code():
    assert run(shell("echo one; echo two >&2; printf three; exit 7")) == (
        ["one", "two", "three"],
        7,
    )


def test_lines_of_any_length_and_bytes_that_are_no_text():
    lines, code = run(shell(f"{sys.executable} -c \"print('x' * 3000000)\"; printf '\\377\\n'"))
    assert (sum(map(len, lines[:-1])), lines[-1], code) == (3_000_000, "\ufffd", 0)


def test_it_sees_only_what_it_is_given(tmp_path):
    program = shell("echo $A $HOME; pwd", environment={"A": "1"}, folder=tmp_path)
    assert run(program)[0] == ["1", str(tmp_path)]
    assert "A" not in repr(program.environment).replace(repr({"A": "1"}), "")
    assert "'A'" not in repr(program)


def test_output_is_kept_apart_from_complaints():
    assert asyncio.run(output(shell("echo told; echo complained >&2"))) == (b"told\n", 0)


@pytest.mark.parametrize("trap", ["exit 3", ""], ids=["ends by itself", "has to be killed"])
def test_a_program_that_is_cancelled_has_ended_with_its_children(tmp_path, trap):
    pids = tmp_path / "pids"
    # The child takes no notice of SIGTERM either way, and outlives its parent if it can.
    child = f"trap '' TERM; echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; wait; sleep 600"
    script = f"trap '{trap}' TERM; sh -c \"{child.replace('$', chr(92) + '$')}\" & echo ready; "
    script += "while :; do wait; done"
    seen: list[str] = []

    async def main():
        running = asyncio.create_task(heard(shell(script, grace=0.5), seen.append))
        while not (seen and await asyncio.to_thread(_both, pids)):
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert not [pid for pid in map(int, pids.read_text().split()) if _alive(pid)]


def _both(pids: Path) -> bool:
    return pids.exists() and len(pids.read_text().split()) == 2


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_what_can_t_be_started_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        run(Program(("/nowhere/packer",)))


def test_a_program_is_in_a_session_of_its_own():
    lines, _ = run(Program((sys.executable, "-c", "import os; print(os.getsid(0))")))
    assert int(lines[0]) != os.getsid(0)
