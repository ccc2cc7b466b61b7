"""What a rehearsal answers: the same for equal seeds, whoever does it, and true of real runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from immutable import BlueGreen, Canary, InvalidValue, Limits, Rolling
from immutable.memory import Laws, fixed, vm
from immutable.model import Approval, Check, Health
from immutable.simulation import Lognormal, Spans, compare
from immutable.simulation.rehearsal import quantile
from immutable.simulation.spans import Fixed
from immutable.testing import run
from tests.simulation.conftest import LIMITS
from tests.support.world import world

SPANS = Spans(Lognormal(40, 0.5, 10), Fixed(5), Fixed(5))


def test_equal_seeds_give_equal_rehearsals_and_others_give_others(rehearse):
    first, again = rehearse(spans=SPANS, seed=7), rehearse(spans=SPANS, seed=7)
    other = rehearse(spans=SPANS, seed=8)
    assert first.trials == again.trials
    assert first.course == again.course
    assert first.trials != other.trials
    assert len({trial.seconds for trial in first.trials}) > 1


@pytest.mark.parametrize("faults", [(), ("throttling", "lost-answers", "bad-image:errors=2%")])
def test_any_number_of_processes_gives_the_same(rehearse, faults):
    how = {"spans": SPANS, "trials": 6, "faults": faults}
    strategy = Canary(bake=60)
    alone, one, two = (rehearse(strategy, workers=count, **how) for count in (0, 1, 2))
    assert alone == one == two


def test_nothing_is_touched(rehearse):
    seen = {}

    async def look(w):
        seen.update(w=w, before=await w.fleet.state(), calls=dict(w.cloud.calls))

    rehearse(before=look, faults=["bad-image:never_ready=yes"])
    w = seen["w"]
    changing = set(w.cloud.calls) - {"observe", "preflight", "resolve", "traffic"}
    assert changing == set()
    assert {n: g.shown for n, g in w.truth.groups.items()} == {
        group.number: group for group in seen["before"].groups
    }


def test_a_trial_is_what_the_engine_would_do_with_the_same_laws():
    async def main():
        async with world(12, laws=Laws(fixed(20), fixed(5), fixed(5))) as w:
            spans = Spans(Fixed(20), Fixed(5), Fixed(5))
            made = await w.fleet.rehearse("v2", limits=LIMITS, trials=1, spans=spans, workers=0)
            w.cloud.calls.clear()
            end = await w.fleet.replace("v2", limits=LIMITS)
            return made, end, dict(w.cloud.calls)

    made, end, calls = run(main())
    [trial] = made.trials
    assert trial.end == end.status.value
    assert trial.seconds == pytest.approx(end.seconds, abs=0.01)
    for name in ("grow", "retire", "create_revision", "delete_revision", "release", "hold"):
        assert trial.calls[name] == calls[name], name
    assert made.lowest == 12


def test_the_predicted_length_is_near_that_of_actual_runs_with_other_seeds():
    limits = Limits(max_surge=4, min_ready=10, boot_timeout=300)
    laws = Laws(vm(), fixed(5), fixed(10))

    async def predicted():
        async with world(40, laws=laws, seed=1) as w:
            await w.fleet.replace("v2", limits=limits)
            return await w.fleet.rehearse("v3", limits=limits, trials=20, workers=0)

    async def actual(seed):
        async with world(40, laws=laws, seed=seed) as w:
            return (await w.fleet.replace("v2", limits=limits)).seconds

    made = run(predicted())
    assert made.spans.boots == 40
    real = median(run(actual(100 + seed)) for seed in range(9))
    assert made.length(0.5) == pytest.approx(real, rel=0.05)
    assert made.length(0.5) <= made.length(0.95) <= made.length(1)


def test_extra_capacity_is_what_exists_above_the_fleets_size(rehearse):
    # Twelve are replaced, each beside the old one for boot, min_ready, drain and terminate.
    spans = Spans(Fixed(20), Fixed(5), Fixed(5))
    rolling = rehearse(spans=spans, trials=1)
    [trial] = rolling.trials
    assert 12 * (20 + 5 + 10) <= trial.extra <= 12 * (20 + 5 + 10 + 3 * 2)
    twice = rehearse(BlueGreen(bake=100), spans=spans, trials=1, limits=None)
    assert twice.trials[0].extra > 12 * 100
    assert twice.capacity(1) == twice.trials[0].extra / 3600


def test_strategies_side_by_side(rehearse):
    both = [rehearse(s, limits=None, seed=3) for s in (Rolling(), BlueGreen(bake=60))]
    rolling, blue_green = compare(*both)
    assert rolling["extra_hours"] < blue_green["extra_hours"]
    assert blue_green["ends"] == {"succeeded": 5}
    with pytest.raises(InvalidValue, match="seeds"):
        compare(both[0], rehearse(seed=4, limits=None))


def test_nobody_and_no_program_is_asked(rehearse):
    gates = (Health(), Approval("ops"), Check("tests.support.checks:no_such"))
    made = rehearse(Canary(bake=30, gates=gates))
    assert made.ends == {"succeeded": 5}
    assert any("approvals" in said for said in made.assumed)
    assert any("not called" in said for said in made.assumed)


def test_an_analysis_without_traffic_pauses_the_trial(rehearse):
    made = rehearse(Canary(bake=30), traffic=0.0)
    assert made.ends == {"paused": 5}
    assert "had no requests" in next(iter(made.reasons))


def test_traffic_is_counted_when_it_is_not_told(rehearse):
    async def busy(w):
        w.truth.clients.rate = 500.0

    made = rehearse(before=busy, traffic=None)
    assert made.traffic == pytest.approx(500, rel=0.2)
    assert made.exposed(0.5) > 0


def test_what_only_the_configuration_changes_is_still_told_apart():
    async def main():
        async with world(4) as w:
            return await w.fleet.rehearse(
                None, limits=LIMITS, trials=2, workers=0, faults=["bad-image:never_ready=yes"]
            )

    made = run(main())
    assert made.ends in ({"succeeded": 2}, {"rolled_back": 2})  # Nothing to do, or told apart.


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"trials": 0}, "trials"),
        ({"trials": 10**9}, "trials"),
        ({"workers": -1}, "workers"),
        ({"traffic": -1.0}, "traffic"),
        ({"faults": ["meteor"]}, "meteor"),
        ({"faults": ["bad-image:errors=120%"]}, "share"),
        ({"faults": ["bad-image:colour=red"]}, "colour"),
        ({"faults": ["no-room:zone=z"]}, "zone"),
        ({"faults": ["autoscaler"]}, "autoscaler"),
        ({"faults": ["throttling:share=1"]}, "share"),
        ({"faults": [object()]}, "faults"),
        ({"faults": ["bad-image", "bad-image"]}, "twice"),
    ],
)
def test_bad_input_is_named(rehearse, how, named):
    with pytest.raises(InvalidValue, match=named):
        rehearse(**how)


def test_quantiles_are_nearest_ranks():
    assert [quantile([3, 1, 2, 4], share) for share in (0.25, 0.5, 0.95, 1)] == [1, 2, 4, 4]


SCRIPT = """
import asyncio
from immutable import Canary, Fleet
async def main():
    async with Fleet.create("memory://web", "v1", 40, journal=":memory:") as web:
        print("ready", flush=True)
        await web.rehearse("v2", Canary(bake=3600), trials=5000, workers=2, traffic=500.0)
from immutable.model import LoopClock
from immutable.virtual import VirtualLoop
asyncio.Runner(loop_factory=VirtualLoop).run(main())
"""


def _workers_of(pid: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if stat[1] == str(pid) and b"immutable.simulation.worker" in command:
                found.add(int(entry.name))
    return found


def _wait(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_it_leaves_no_process(how):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == "ready\n"
            _wait(lambda: len(_workers_of(process.pid)) == 2)
            workers = _workers_of(process.pid)
            time.sleep(0.3)
            process.send_signal(how)
            process.wait(20)
            assert process.returncode != 0
        finally:
            process.kill()
    _wait(lambda: not any(map(_alive, workers)))


def test_a_dead_process_is_an_error_and_no_endless_wait(monkeypatch, rehearse):
    monkeypatch.setattr("immutable.simulation.workers.sys.executable", "/bin/false")
    with pytest.raises(Exception, match="died"):
        rehearse(workers=1)
