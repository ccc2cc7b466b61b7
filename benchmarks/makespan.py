"""How near a rolling replacement comes to the least possible time.

The real engine on the simulated cloud, on virtual time, against a lower bound that is computed
from the very boot times that were drawn, and beside an ideal barrier roller (launch a batch, wait
for all of it, drain it, begin again; no polling, no calls) on the same boot times.

Bounds for U = 0, with H = ``min_ready``, D = drain, T = terminate:

* work: sum(B_j + H + D + T) / S, since servers that exist but aren't available number at most S
* chain: max(B_j + H) + D + T, since the last drain can't begin before the last boot is done
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from attrs import evolve, frozen

from benchmarks.common import options, say, show
from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import Capabilities, Group
from immutable.memory import Cloud, Law, Laws, MemoryBackend, fixed, lognormal, vm
from immutable.model.quantities import rounded_up
from immutable.testing import LoopClock, run

MIN_READY, DRAIN, TERMINATE, POLL = 30.0, 20.0, 30.0, 2.0
LAWS: dict[str, Law] = {"vm": vm(90), "lognormal": lognormal(90, 0.9)}


@frozen
class Measured:
    """One rollout.

    Attributes:
        makespan: Seconds from the first launch to the last termination.
        boots: The boot times of the new servers that stayed, in the order of their launch.
        calls: Calls to the backend.
        lowest: The fewest READY at any time.
        highest: The most existing at any time.
    """

    makespan: float
    boots: tuple[float, ...]
    calls: int
    lowest: int
    highest: int


async def measure(boot: str, n: int, surge: str, *, probe: bool, seed: int) -> Measured:
    """Replace a fleet of *n* and measure it."""
    clock, boots = LoopClock(), []

    def drawn(dice: random.Random) -> float:
        boots.append(LAWS[boot](dice))
        return boots[-1]

    laws = Laws(boot=drawn, drain=fixed(DRAIN), terminate=fixed(TERMINATE))
    cloud = Cloud(clock, laws=laws, seed=seed)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), n)
    backend = MemoryBackend(cloud)
    backend.capabilities = evolve(Capabilities(), poll=POLL)
    limits = Limits(surge if "%" in surge else int(surge), min_ready=MIN_READY, boot_timeout=3600)
    journal = await open_journal(":memory:", clock=clock)
    async with Fleet.connect("memory://web", backend=backend, journal=journal, clock=clock) as web:
        first = clock.now()
        boots.clear()
        result = await web.replace("v2", Rolling(probe=probe), limits=limits)
        assert result.wanted == n
        last = clock.now()
    await journal.close()
    truth, calls = cloud.fleets["web"], sum(cloud.calls.values())
    assert truth.lowest_ready >= n, "the floor was broken"
    assert truth.highest_total <= n + rounded_up(limits.max_surge, n), "the ceiling was broken"
    return Measured(last - first, tuple(boots), calls, truth.lowest_ready, truth.highest_total)


def bound(boots: tuple[float, ...], surge: int) -> float:
    """Return the least possible makespan for these boot times."""
    work = sum(b + MIN_READY + DRAIN + TERMINATE for b in boots) / surge
    chain = max(boots) + MIN_READY + DRAIN + TERMINATE
    return max(work, chain)


def barrier(boots: tuple[float, ...], surge: int) -> float:
    """Return the makespan of an ideal barrier roller for these boot times."""
    batches = [boots[start : start + surge] for start in range(0, len(boots), surge)]
    return sum(max(batch) + MIN_READY + DRAIN + TERMINATE for batch in batches)


def row(boot: str, n: int, surge: str, *, probe: bool, seeds: int) -> dict[str, Any]:
    """Return the worst of several seeds."""
    extra = rounded_up(surge if "%" in surge else int(surge), n)
    ratios, barriers, calls = [], [], []
    for seed in range(seeds):
        found = run(measure(boot, n, surge, probe=probe, seed=seed))
        least = bound(found.boots, extra)
        # The probe is paid for once: the first boot and min_ready, before the window opens.
        allowed = least + (found.boots[0] + MIN_READY if probe else 0.0)
        ratios.append(found.makespan / allowed)
        barriers.append(barrier(found.boots, extra) / least)
        calls.append(found.calls / n)
    return {
        "boot": boot,
        "n": n,
        "surge": surge,
        "probe": probe,
        "ratio": round(max(ratios), 4),
        "barrier_ratio": round(sum(barriers) / seeds, 4),
        "calls_per_replacement": round(max(calls), 4),
        "seeds": seeds,
    }


def rows(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield all rows; a surge of 1 makes 10,000 replacements a month long, so it is left out."""
    for boot in LAWS:
        for n in (10, 100) if quick else (10, 100, 1_000, 10_000):
            for surge in ("1", "5%", "25%"):
                if surge == "1" and n > 100:
                    continue
                for probe in (False, True):
                    say(f"{boot} n={n} surge={surge} probe={probe}")
                    yield row(boot, n, surge, probe=probe, seeds=5)


def main() -> None:
    """Print the table."""
    chosen = options(__doc__ or "").parse_args()
    show(rows(quick=chosen.quick), as_json=chosen.json)


if __name__ == "__main__":
    main()
