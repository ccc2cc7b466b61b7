"""Images by the command: built, tried out on a real fleet of one, cleared away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from immutable.images.trying import expiry
from immutable.trust import ImageManifest
from immutable_local.images import ImageStore


@pytest.fixture
def immutable(home):
    """Run the command as a user would; returns its exit code and what it said on each channel."""

    def run(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "immutable", *map(str, words)], env=home.environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    return run


def built(immutable, home, version="1", *words, **environment):
    file = home.folder / f"image-{version}.json"
    source = home.image(version, **environment)
    said = immutable("image", "build", source, "--manifest", file, "--json", *words).stdout
    return file, json.loads(said)


def test_an_image_is_built_tried_out_and_the_fleet_is_gone(immutable, home):
    hook = f"{sys.executable} -c \"import os; print(os.environ['IMMUTABLE_TEST_URL'])\""
    wanted = ("--test", "http:/healthz", "--test", f"command:{hook}")
    file, made = built(immutable, home, "1", *wanted)
    assert not made["reused"]
    assert built(immutable, home, "1", *wanted)[1] == made | {"reused": True}
    tried = json.loads(immutable("image", "test", file, "--json").stdout)
    assert [each["passed"] for each in tried["tests"]] == [True, True, True]
    manifest = ImageManifest.load(file.read_bytes())
    assert manifest.digest == tried["manifest"] != made["manifest"]
    assert json.loads(immutable("fleet", "list", "local", "--json").stdout) == []


def test_a_directory_with_a_secret_in_it_does_not_become_an_image(immutable, home):
    source = Path(home.image("1"))
    secret = "Tq7wZ" + "p2LxV9c"
    (source / "web.env").write_text(f"DB_PASSWORD={secret}\n")
    refused = immutable("image", "build", source, code=5)
    assert "  - web.env:1: named like a secret" in refused.stderr
    assert secret not in refused.stderr + refused.stdout
    assert json.loads(immutable("image", "list", "--json").stdout) == []
    (source / "web.env").write_text("DB_PASSWORD=vault://kv/web#password\n")
    assert "no secret found in " in immutable("image", "build", source, "--scanned").stderr


def test_an_image_that_does_not_pass_ends_with_its_own_exit_code(immutable, home):
    file, _ = built(immutable, home)
    failed = immutable("image", "test", file, "--test", "command:false", code=4)
    assert "web:1 did not pass: command:false" in failed.stderr
    assert "command:false: FAILED" in failed.stdout
    assert not ImageManifest.load(file.read_bytes()).tests[1].passed
    immutable("image", "test", file, "--test", "nonsense", code=2)
    immutable("image", "test", file, "--backend", "aws://eu-west-1", code=2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_trial_that_is_stopped_leaves_nothing_once_it_is_swept(immutable, home, number):
    file, _ = built(immutable, home)
    started = home.folder / "started"
    hook = f"command:sh -c 'touch {started}; sleep 600'"
    words = ("image", "test", file, "--test", hook, "--lifetime", "600s")
    running = subprocess.Popen(
        [sys.executable, "-m", "immutable", *map(str, words)], env=home.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not started.exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    code = running.wait()
    found = json.loads(immutable("fleet", "list", "local", "--json").stdout)
    if number == signal.SIGINT:
        assert (code, found) == (130, [])
        return
    for pid in home.processes(str(started)):
        os.kill(pid, signal.SIGKILL)  # The command is nobody's child any more.
    (address,) = found
    assert expiry(address.removeprefix("local://")) > time.time()
    assert "left, for its time is over in" in immutable("sweep", "local://*").stdout
    asyncio.run(_gone(home, address))
    assert json.loads(immutable("fleet", "list", "local", "--json").stdout) == []


async def _gone(home, address):
    """Sweep when the time is over: here, by a clock that is ahead."""
    from unittest.mock import patch

    from click.testing import CliRunner

    from immutable.cli.commands import cli
    from immutable.model import SystemClock

    class Ahead(SystemClock):
        def now(self):
            return super().now() + 601

    def swept():
        with patch("immutable.cli.sweep.SystemClock", Ahead):
            return CliRunner(env=home.environment()).invoke(cli, ["sweep", address])

    result = await asyncio.to_thread(swept)
    assert "removed, for its time was over" in result.output, result.output


@pytest.mark.slow
def test_images_that_nobody_needs_are_cleared_away(immutable, home):
    made = {v: built(immutable, home, v)[1]["artifact"] for v in ("1", "2", "3")}
    store = ImageStore(home.places.images)
    limits = ("--min-ready", "0")
    immutable("fleet", "create", "local://web", made["1"], "--size", 1, *limits)
    try:
        immutable("replace", "local://web", made["2"], *limits)

        def there():
            return {image.version for image in store.images()}

        assert "0 images removed" in immutable("image", "collect").stderr  # All are young.
        dry = immutable("image", "collect", "--older", 0, "--keep", 1, "--dry-run").stdout
        assert [line.split(" ")[0] for line in dry.splitlines()] == ["web:3"]
        assert there() == {"1", "2", "3"}
        immutable("image", "collect", "--older", 0, "--keep", 1)
        assert there() == {"1", "2"}  # What runs, and what it came from.
        immutable("image", "collect", "--older", 0, "--keep", 0)
        assert there() == {"2"}
    finally:
        immutable("fleet", "delete", "local://web", "--yes")


def test_what_can_t_be_collected_is_said(immutable, home):
    immutable("image", "collect", "--keep", "-1", code=2)
    wrong = immutable("image", "collect", "--backend", "memory", code=2)
    assert "keeps no images to collect" in wrong.stderr
