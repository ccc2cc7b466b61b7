"""The canary bites: every planted leak lets its test fail, and what is no leak does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from immutable import Fleet, PlanRefused, RuntimeConfig
from immutable.backend import Secret
from immutable.builders import BuildRequest
from immutable.errors import BuildFailed
from immutable.testing import run
from tests.images.conftest import Bench, Kiln
from tests.support.canary_forms import LEAKS, VARIABLE, forms, new_value, seen_in

ROOT = Path(__file__).parents[2]
LEAKING = Path(__file__).parent / "leaking.py"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_planted_leak_lets_its_test_fail(workers):
    outer = (VARIABLE, LEAKS)
    own = {k: v for k, v in os.environ.items() if k not in outer and not k.startswith("PYTEST_")}
    words = ["-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", str(LEAKING)]
    # What it prints is full of a canary of its own.
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=own, capture_output=True,
                          text=True, check=False)  # fmt: skip
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+)", done.stdout, re.MULTILINE)
    leaks = re.findall(r"^def test_(\w+)", LEAKING.read_text(), re.MULTILINE)
    leaks.remove("clean")
    assert set(failed) == set(leaks), done.stdout
    assert done.returncode == 1
    # Each of them for this reason: five are one, written in five ways.
    assert len(re.findall(r"the canary was seen in \w", done.stdout)) >= len(leaks) + 4


def test_every_form_is_recognised_wherever_it_stands():
    import base64

    value = new_value()
    looked_for = forms(value)
    for before in ("", "a", "ab", "abc", "user:"):
        coded = base64.b64encode(f"{before}{value}".encode())
        assert seen_in(coded, looked_for), before
    assert not seen_in(base64.b64encode(os.urandom(100_000)), looked_for)
    assert not seen_in(new_value().encode(), looked_for)


def test_a_secret_that_is_handed_to_a_build_is_seen_nowhere(canary, tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_TOKEN", canary.value)
    bench = Bench(str(tmp_path / "journal.db"))
    bench.kiln = Kiln(says=(f"login with {canary.value}",), error=OSError(1, canary.value))

    async def main(journal):
        asked = BuildRequest("./web", environment=("REGISTRY_TOKEN",))
        with pytest.raises(BuildFailed) as caught:
            await bench.build(journal, request=asked)
        assert canary.value not in f"{caught.value} {bench.log}"
        assert "login with [REGISTRY_TOKEN]" in bench.log

    bench.run(main)


def test_a_setting_that_is_refused_and_a_wrapped_secret_are_seen_nowhere(canary, tmp_path, caplog):
    async def main():
        journal = tmp_path / "journal.db"
        async with Fleet.create("memory://canary", "v1", 1, journal=journal) as web:
            with pytest.raises(PlanRefused) as caught:
                await web.plan("v2", config=RuntimeConfig({"DB_PASSWORD": canary.value}))
            print(caught.value, Secret(canary.value))  # noqa: T201

    run(main())
