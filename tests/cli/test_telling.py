"""`--otel`, `--log-json` and `--webhook` as they are typed."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("opentelemetry.trace")
from immutable.backend import Group
from immutable.hooks import hooked, installed
from immutable.telemetry import JsonFormatter
from tests.support.receiver import KEY, receiving, signature
from tests.support.world import revision


@pytest.fixture
def listening():
    """A receiver in a thread, for the command has a loop of its own."""

    @contextmanager
    def serve():
        begun, over, got = threading.Event(), [], []

        async def main():
            async with receiving() as receiver:
                closed = asyncio.Event()
                over.append((asyncio.get_running_loop(), closed))
                got.append(receiver)
                begun.set()
                await closed.wait()

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        assert begun.wait(60)
        try:
            yield got[0]
        finally:
            loop, closed = over[0]
            loop.call_soon_threadsafe(closed.set)
            thread.join(60)

    return serve


@pytest.fixture(autouse=True)
def logs(monkeypatch):
    """What a command sets up of logging is undone."""
    root, httpx = logging.getLogger(), logging.getLogger("httpx")
    before = root.level, httpx.level
    yield
    for each in list(root.handlers):
        if isinstance(each.formatter, JsonFormatter):
            root.removeHandler(each)
    root.setLevel(before[0])
    httpx.setLevel(before[1])


@pytest.fixture
def fleet(cloud):
    cloud.settled_fleet("web", Group(revision(), 0), 2)


def test_a_webhook_is_sent_signed_and_neither_key_nor_path_is_shown(
    run, fleet, listening, monkeypatch
):
    monkeypatch.setenv("HOOK_KEY", KEY)
    with listening() as receiver:
        done = run(
            "replace", "sim://web", "v2", "--webhook", receiver.url,
            "--webhook-key", "env://HOOK_KEY", "--log-json",
        )  # fmt: skip
    assert receiver.types == ["rollout.begun", "rollout.ended"]
    headers, body = receiver.attempts[0]
    assert headers["webhook-signature"] == signature(KEY, headers, body)
    assert KEY not in done.output
    assert "/hook" not in done.output
    assert installed().on_event == ()


def test_a_log_is_lines_of_json_on_standard_error(run, fleet):
    done = run("replace", "sim://web", "v2", "--log-json")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events[0] == "driving"
    assert "ended" in events
    assert not any(line.startswith("{") for line in done.stdout.splitlines())


def test_spans_are_asked_for_by_an_option_or_the_environment(run, fleet, monkeypatch):
    made = []
    monkeypatch.setattr("immutable.telemetry.OpenTelemetry", lambda: made.append)
    run("replace", "sim://web", "v2")
    assert made == []
    run("replace", "sim://web", "v3", "--otel")
    first = len(made)
    assert first > 10
    monkeypatch.setenv("IMMUTABLE_OTEL", "1")
    run("replace", "sim://web", "v4")
    assert len(made) > first


def test_drift_that_is_found_is_sent(run, fleet, cloud, listening, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", KEY)
    monkeypatch.setenv("IMMUTABLE_WEBHOOK_KEY", "env://HOOK_KEY")
    with listening() as receiver:
        found = []
        with hooked(on_event=found.append):
            run("drift", "sim://web", "--max-age", "0s", "--webhook", receiver.url, code=7)
    assert receiver.types == ["fleet.drifted"]
    assert len(receiver.accepted[0]["data"]["instances"]) == 2
    assert [type(each.what).__name__ for each in found] == ["Drifted"]


def test_a_webhook_without_a_key_is_refused_before_anything_is_done(run, fleet, cloud):
    done = run("replace", "sim://web", "v2", "--webhook", "https://example.com/x", code=2)
    assert "--webhook-key" in done.stderr
    assert cloud.calls["grow"] == 0


def test_a_key_that_is_not_there_is_said_and_nothing_is_done(run, fleet, cloud):
    words = ("--webhook", "https://example.com/x", "--webhook-key", "env://NO_SUCH_KEY")
    done = run("replace", "sim://web", "v2", *words, code=1)
    assert "NO_SUCH_KEY" in done.stderr
    assert cloud.calls["grow"] == 0
