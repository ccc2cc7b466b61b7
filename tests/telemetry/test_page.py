"""The page about telemetry says what there is."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from immutable.hooks import Cause
from immutable.telemetry.messages import TYPES
from tests.support.collected import CANARY, ROOM, told

PAGE = (Path(__file__).parents[2] / "docs/telemetry.md").read_text(encoding="utf-8")
PROGRAMS = {
    body.splitlines()[0].removeprefix("# "): body
    for body in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def names(text):
    return {name.strip("`") for name in re.findall(r"`immutable\.[a-z._]+`", text)}


def test_every_metric_and_attribute_stands_on_the_page_and_no_other():
    collected, _, _ = told(4, strategy=CANARY, limits=ROOM)
    metrics = {
        metric.name
        for resource in collected.reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    table = PAGE[PAGE.index("| metric |") : PAGE.index("## Logs")]
    rows = [line for line in table.splitlines() if line.startswith("| `immutable.")]
    listed = {line.split("`")[1] for line in rows}
    # These two are counted when something fails only.
    assert listed == metrics | {"immutable.call.throttled", "immutable.instances.failed"}
    said = {key for span in collected.exporter.get_finished_spans() for key in span.attributes}
    spans = PAGE[PAGE.index("| span |") : PAGE.index("| metric |")]
    assert names(spans) - {"immutable.rollout", "immutable.step"} == said


def test_every_type_of_message_stands_on_the_page_and_no_other():
    table = PAGE[PAGE.index("| type |") : PAGE.index("The headers are")]
    listed = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert listed == list(TYPES)


def test_every_cause_of_a_wait_stands_on_the_page():
    assert all(f"`{cause.value}`" in PAGE for cause in Cause)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_of_the_page_are_right(name):
    compile(PROGRAMS[name], name, "exec")
    space = {"__name__": name}
    exec(PROGRAMS[name].replace("logging.basicConfig", "dict"), space)
    assert asyncio.iscoroutinefunction(space["main"])


def printed(name):
    program = PROGRAMS[name] + "\nfrom immutable.testing import run\nrun(main())\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_traced_program_prints_its_spans():
    spans = printed("traced.py")
    assert '"name": "immutable.rollout"' in spans
    assert '"name": "immutable.call grow"' in spans


def test_the_logged_program_prints_lines_of_json():
    lines = [json.loads(line) for line in printed("logged.py").splitlines()]
    assert {"driving", "intended", "committed", "ended"} <= {line["event"] for line in lines}
    section = PAGE[PAGE.index("## Logs") :]
    own = {"time", "level", "logger", "message", "trace_id", "span_id"}
    common = {"rollout_id", "fleet", "event", "seq", "operation", "revision", "outcome", "reason"}
    assert common <= {name for line in lines for name in line}
    assert all(f"`{name}`" in section for name in common - own)


def test_the_drain_hooks_program_takes_every_old_server_out():
    assert printed("drained.py").count("deregister memory://web") == 3
