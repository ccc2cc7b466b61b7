"""Log records with fields, and as JSON."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import RuntimeConfig
from immutable.backend import Denied, Throttled
from immutable.hooks import hooked
from immutable.memory import Behaviour, Fault
from immutable.secrets.value import Secret
from immutable.telemetry import JsonFormatter, Logs
from immutable.testing import run
from tests.support.collected import Collected
from tests.support.world import LIMITS, world

NUMBERS = count()


def logged(image="v2", level=logging.DEBUG, before=None, other=None, **options):
    """The lines, as JSON, that a rollout leaves; and the rollout's identifier."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(f"a test's {next(NUMBERS)}")
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)

    async def main():
        with hooked(on_event=other or (lambda _: None)), hooked(on_event=Logs(logger)):
            async with world(3) as w:
                if before is not None:
                    before(w)
                return (await w.fleet.replace(image, limits=LIMITS, **options).end()).rollout

    rollout = run(main())
    return [json.loads(line) for line in stream.getvalue().splitlines()], rollout


def test_every_line_says_which_rollout_which_fleet_and_what():
    lines, rollout = logged()
    assert {line["rollout_id"] for line in lines} == {rollout}
    assert {line["fleet"] for line in lines} == {"memory://web"}
    assert lines[0]["event"] == "driving"
    assert lines[-1]["event"] == "let_go"
    kinds = {line["event"] for line in lines}
    assert {"called", "waited", "intended", "done", "entered", "committed", "ended"} <= kinds
    assert all(rollout in line["message"] for line in lines)
    (ended,) = [line for line in lines if line["event"] == "ended"]
    assert (ended["status"], ended["level"]) == ("succeeded", "INFO")
    intended = [line for line in lines if line["event"] == "intended"]
    assert "may start" in next(i["reason"] for i in intended if i["operation"] == "grow")


def test_calls_and_waits_are_for_those_who_debug():
    lines, _ = logged(level=logging.INFO)
    assert not {"called", "calling", "waited"} & {line["event"] for line in lines}
    assert {line["level"] for line in lines} == {"INFO"}


def test_what_goes_wrong_is_a_warning():
    def before(w):
        w.cloud.behaviours["bad"] = Behaviour(ready=False)
        w.cloud.faults.add(Fault("grow", lambda: Throttled("busy", retry_after=3), times=1))

    lines, _ = logged("bad", logging.WARNING, before)
    said = {(line["event"], line.get("error")) for line in lines}
    assert {("called", "Throttled"), ("failed", None), ("turned", None)} <= said
    turned = next(line for line in lines if line["event"] == "turned")
    assert "candidate instances failed" in turned["reason"]


def test_a_refused_call_is_logged_with_what_the_backend_said():
    def before(w):
        w.cloud.faults.add(Fault("grow", lambda: Denied("no permission"), times=None))

    lines, _ = logged("v2", logging.WARNING, before)
    done = next(line for line in lines if line["event"] == "done")
    assert (done["outcome"], done["reason"]) == ("refused", "no permission")


def test_lines_carry_the_trace_of_the_rollout():
    collected = Collected()
    lines, _ = logged(other=collected.hook)
    (rollout,) = collected.spans("immutable.rollout")
    trace = f"{rollout.context.trace_id:032x}"
    # The very last line comes when the span is over.
    assert {line.get("trace_id") for line in lines[:-1]} == {trace}
    calls = {f"{s.context.span_id:016x}" for s in collected.spans("immutable.call")}
    assert {line["span_id"] for line in lines if line["event"] == "calling"} == calls


def test_without_a_span_there_is_no_trace():
    lines, _ = logged()
    assert not any("trace_id" in line for line in lines)


def test_no_setting_of_an_instance_is_logged(canary):
    config = RuntimeConfig({"GREETING": "hello-there"})
    lines, _ = logged(config=config)
    assert "hello-there" not in json.dumps(lines)
    assert canary.value not in json.dumps(lines)


NAMES = st.text(st.characters(categories=["Ll"]), min_size=1).filter(
    lambda name: name not in vars(logging.makeLogRecord({})) and name not in ("message", "asctime")
)
RESERVED = ("time", "level", "logger", "message", "exception")


@given(st.text(), st.dictionaries(NAMES, st.text() | st.integers() | st.none() | st.booleans()))
def test_a_line_is_one_line_of_json_that_has_every_field(message, fields):
    record = logging.LogRecord("immutable.x", logging.INFO, "f", 1, "%s", (message,), None)
    vars(record).update(fields)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert read["message"] == message
    assert {n: v for n, v in read.items() if n not in RESERVED} == {
        n: v for n, v in fields.items() if n not in RESERVED
    }


def test_what_json_has_no_form_for_is_written_as_its_text(canary):
    record = logging.makeLogRecord({"msg": "x", "found": {1, 2} - {2}, "key": Secret(canary.value)})
    read = json.loads(JsonFormatter().format(record))
    assert (read["found"], read["key"]) == ("{1}", "Secret(hidden)")


def test_an_exception_is_a_field():
    record = logging.makeLogRecord({"exc_info": (ValueError, ValueError("no"), None)})
    assert "ValueError: no" in json.loads(JsonFormatter().format(record))["exception"]


def test_nothing_is_said_until_somebody_says_where_the_log_goes():
    program = """
import logging
from immutable.engine import driver
logging.getLogger("immutable.hooks").warning("a hook failed")
logging.getLogger("elsewhere").warning("heard")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "heard\n"


@pytest.mark.parametrize("name", ["immutable.rollout", "immutable.hooks", "immutable.controller"])
def test_whoever_configures_logging_hears_all_of_it(name, caplog):
    with caplog.at_level(logging.INFO, "immutable"):
        logging.getLogger(name).info("heard")
    assert "heard" in caplog.text
