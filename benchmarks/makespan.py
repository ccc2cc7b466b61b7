"""How near a rolling replacement comes to the least possible time, calls and money.

The real engine on the simulated cloud, on virtual time, against a lower bound that is computed
from the very boot times that were drawn, and beside two others on the same boot times: an ideal
barrier roller (launch a batch, wait for all of it, drain it, begin again; no polling, no calls),
and the arithmetic of a Deployment of Kubernetes, which counts nothing that terminates, so that it
exceeds the ceiling (``k8s_peak`` is by how much) and can undercut the bound.

Bounds for U = 0, with H = ``min_ready``, D = drain, T = terminate:

* work: sum(B_j + H + D + T) / S, since servers that exist but aren't available number at most S
* chain: max(B_j + H) + D + T, since the last drain can't begin before the last boot is done

``extra`` is what is paid above the fleet's size, in instance-seconds, by the sum of W: 1 is the
least that keeps all available. ``described`` are the records in answers to looks.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any

from attrs import evolve

from benchmarks.common import options, say, show
from benchmarks.replacing import DRAIN, LAWS, MIN_READY, TERMINATE, Case, Measured, measured

__all__ = ["barrier", "bound", "broken", "kubernetes", "row", "rows"]

SYNC = 10.0
"""Seconds between two looks of Kubernetes' arithmetic, as readiness probes are by default."""

MOST_CALLS = {1_000: 4.0, 10_000: 0.6}


def bound(boots: tuple[float, ...], surge: int) -> float:
    """Return the least possible makespan for these boot times."""
    work = sum(b + MIN_READY + DRAIN + TERMINATE for b in boots) / surge
    chain = max(boots) + MIN_READY + DRAIN + TERMINATE
    return max(work, chain)


def barrier(boots: tuple[float, ...], surge: int) -> float:
    """Return the makespan of an ideal barrier roller for these boot times."""
    batches = [boots[start : start + surge] for start in range(0, len(boots), surge)]
    return sum(max(batch) + MIN_READY + DRAIN + TERMINATE for batch in batches)


# Boots of 1 and 12 s, a surge of 1, looks each 10 s, H = 30: available at 40; the next one starts
# then, while the first old one drains until 90: three exist where two and one were allowed.
def kubernetes(boots: tuple[float, ...], surge: int) -> tuple[float, int]:
    """Return the makespan of a Deployment's arithmetic, and the most that exist at once.

    maxUnavailable is 0: an old one goes when a new one is available, and the next one starts at
    once, for what terminates is not counted.
    """
    now, peak = 0.0, 0
    waiting: list[float] = []
    gone: deque[float] = deque()
    for started, boot in enumerate(boots):
        if started >= surge:
            now = max(now, heapq.heappop(waiting))
            gone.append(now + DRAIN + TERMINATE)
        heapq.heappush(waiting, SYNC * ceil((now + boot + MIN_READY) / SYNC))
        while gone and gone[0] <= now:
            gone.popleft()
        peak = max(peak, len(boots) + len(waiting) + len(gone))
    return max(waiting) + DRAIN + TERMINATE, peak


def row(case: Case, seeds: int) -> dict[str, Any]:
    """Return the worst of several seeds."""
    found = [measured(evolve(case, seed=seed)) for seed in range(seeds)]
    others = [_others(each, case.extra) for each in found]
    return {
        "boot": case.boot,
        "n": case.n,
        "surge": case.surge,
        "probe": case.probe,
        "ratio": round(max(_ratio(each, case) for each in found), 4),
        "barrier_ratio": round(min(each[0] for each in others), 4),
        "k8s_ratio": round(min(each[1] for each in others), 4),
        "k8s_peak": round(max(each[2] for each in others) / (case.n + case.extra), 4),
        "calls_per_replacement": round(max(each.calls for each in found) / case.n, 4),
        "described": round(max(each.described for each in found) / case.n, 2),
        "extra": round(max(each.paid / each.work for each in found), 4),
        "seeds": seeds,
    }


def _ratio(found: Measured, case: Case) -> float:
    # The probe is paid for once: the first boot and min_ready, before the window opens.
    probing = found.boots[0] + MIN_READY if case.probe else 0.0
    return found.makespan / (bound(found.boots, case.extra) + probing)


def _others(found: Measured, surge: int) -> tuple[float, float, int]:
    least = bound(found.boots, surge)
    took, peak = kubernetes(found.boots, surge)
    return barrier(found.boots, surge) / least, took / least, peak


def rows(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield all rows; a surge of 1 makes 10,000 replacements a month long, so it is left out."""
    for boot in LAWS:
        for n in (10, 100) if quick else (10, 100, 1_000, 10_000):
            for surge in ("1", "5%", "25%"):
                if surge == "1" and n > 100:
                    continue
                for probe in (False, True):
                    say(f"{boot} n={n} surge={surge} probe={probe}")
                    yield row(Case(boot, n, surge, probe), seeds=5)


def broken(listed: Iterable[dict[str, Any]]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for each in listed:
        small, n = each["surge"] in ("1", "5%"), each["n"]
        most = 1.06 if n <= 1_000 else 1.08
        name = f"{each['boot']}, n={n}, surge {each['surge']}, probe {each['probe']}"
        if small and each["boot"] == "vm" and each["ratio"] > most:
            found.append(f"{name}: {each['ratio']} x the bound, at most {most}")
        calls = each["calls_per_replacement"]
        if each["boot"] == "vm" and calls > MOST_CALLS.get(n, calls):
            found.append(f"{name}: {calls} calls a replacement, at most {MOST_CALLS[n]}")
        if n >= 1_000 and each["surge"] == "5%" and not each["probe"]:
            times = each["barrier_ratio"] / each["ratio"]
            least = 1.4 if each["boot"] == "vm" else 2.5
            if times < least:
                found.append(f"{name}: {times:.2f} x faster than a barrier, at least {least}")
        if each["extra"] > 1.03:
            found.append(f"{name}: {each['extra']} x the work is paid, at most 1.03")
    return found


def main() -> None:
    """Print the table."""
    chosen = options(__doc__ or "").parse_args()
    listed = list(rows(quick=chosen.quick))
    show(listed, as_json=chosen.json, broken=broken(listed))


if __name__ == "__main__":
    main()
