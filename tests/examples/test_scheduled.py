"""examples/scheduled: what a timer runs, on a real fleet; and that its units say what they mean."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.walking import ROOT, nowhere

SCHEDULED = ROOT / "examples" / "scheduled"
SCRIPT = SCHEDULED / "repair.sh"
FLEET = "local://web"


def stub(folder: Path, body: str) -> dict[str, str]:
    """Return an environment in which the command is a few lines of shell."""
    command = folder / "stub"
    command.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\ncase $1 in\n{body}\nesac\n')
    command.chmod(0o755)
    return {"PATH": os.environ["PATH"], "IMMUTABLE": str(command)}


@pytest.mark.parametrize(
    ("body", "code", "asked"),
    [
        ("recover) exit 1;;", 0, ["recover", "sweep", "drift"]),
        ("recover) exit 5;;", 5, ["recover"]),
        ("recover) exit 1;; sweep) exit 1;;", 1, ["recover", "sweep"]),
        ("recover) exit 1;; drift) exit 8;;", 8, ["recover", "sweep", "drift"]),
        ("recover) exit 1;; drift) exit 7;;", 0, ["recover", "sweep", "drift", "repair"]),
        ("drift) exit 7;; repair) exit 4;;", 4, ["recover", "sweep", "drift", "repair"]),
    ],
)
def test_what_it_does_next_follows_from_how_the_last_command_ended(tmp_path, body, code, asked):
    done = subprocess.run(["sh", SCRIPT, FLEET], env=stub(tmp_path, body), check=False)
    assert done.returncode == code
    said = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in said] == asked
    assert all(line.split()[1] == FLEET for line in said)


def test_it_says_what_it_needs():
    done = subprocess.run(["sh", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "write: repair.sh FLEET" in done.stderr


def test_the_timer_starts_the_service_and_the_service_the_script():
    units = {}
    for kind in ("service", "timer"):
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str
        unit.read(SCHEDULED / f"immutable-repair@.{kind}")
        units[kind] = unit
    service = units["service"]["Service"]
    assert service["Type"] == "oneshot"
    program, fleet = service["ExecStart"].split()
    assert (Path(program).name, fleet) == (SCRIPT.name, "%I")
    assert os.access(SCRIPT, os.X_OK)
    assert units["timer"]["Timer"]["OnCalendar"]
    assert units["timer"]["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("kind", ["service", "timer"])
def test_systemd_understands_the_units(kind, tmp_path):
    for each in ("service", "timer"):
        text = (SCHEDULED / f"immutable-repair@.{each}").read_text()
        here = text.replace("/opt/immutable/repair.sh", str(SCRIPT))
        (tmp_path / f"immutable-repair@.{each}").write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / f"immutable-repair@.{kind}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "immutable-repair" in line] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="local fleets need Linux")
def test_a_server_that_somebody_has_touched_is_replaced_and_then_there_is_nothing_to_do():
    with nowhere() as environment:
        place = Path(environment["HOME"]) / "local"
        environment |= {
            "IMMUTABLE_LOCAL_DIR": str(place),
            "IMMUTABLE_JOURNAL": str(place / "journal.db"),
        }

        def run(*words, code=0):
            done = subprocess.run(
                words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout

        def servers():
            seen = json.loads(run("immutable", "fleet", "status", FLEET, "--json"))
            return {each["id"] for each in seen["instances"]}

        run("immutable", "fleet", "create", FLEET, "examples/webapp", "--size", "2")
        before = servers()
        touched = min(before)
        (place / "fleets" / "web" / "tainted").mkdir(exist_ok=True)
        (place / "fleets" / "web" / "tainted" / touched).touch()
        run("sh", str(SCRIPT), FLEET)
        after = servers()
        assert before - after == {touched}
        assert len(after) == 2
        run("sh", str(SCRIPT), FLEET)
        assert servers() == after
        run("immutable", "fleet", "delete", FLEET, "--yes")
