"""How long a rollout must take, will take, and may take. Pure.

Model: a replacement keeps one server from serving while it boots, is watched for ``min_ready``,
drains and terminates; W is the sum. Servers that exist but aren't available number at most
(N + S) - (N - U) = S + U at any time, so N replacements take at least N * W / (S + U).
"""

from __future__ import annotations

from math import ceil

from attrs import frozen

from immutable.model import Bounds, Capabilities, FleetState, Limits, Rate
from immutable.planning.arithmetic import Window, floor
from immutable.planning.sharing import reserved

__all__ = ["Times", "bounds", "longest", "times"]


@frozen
class Times:
    """Seconds that the phases of one replacement usually take.

    Attributes:
        start: Boot and ``min_ready``.
        stop: Drain and terminate.
    """

    start: float
    stop: float

    @property
    def whole(self) -> float:
        """W: how long a replacement keeps one server from serving."""
        return self.start + self.stop


# Three instances that took 41 s, 45 s and 90 s to boot, min_ready 10: start = 45 + 10.
def times(state: FleetState, limits: Limits, backend: Capabilities) -> Times:
    """Return the usual times: the fleet's own boots where known, else what the backend declares."""
    boots = [
        each.ready_since - each.launched_at
        for each in state.instances
        if each.ready_since is not None and each.ready_since > each.launched_at
    ]
    # A server that was UNREADY for a while looks like a slow boot; the median isn't moved by few.
    boot = sorted(boots)[len(boots) // 2] if boots else backend.boot
    boot = min(boot, limits.boot_timeout)
    drain = min(backend.drain, limits.drain_timeout)
    return Times(boot + limits.min_ready, drain + backend.terminate)


# 10,000 launches through a bucket of 1,000 that refills at 2/s, of which 200 are kept for the way
# back: 800 go at once, 9,200 wait for 4,600 s. Nothing is kept of a bucket of terminations: 9,000
# of 10,000 wait, at 20/s for 450 s.
def _drained(count: int, rate: Rate | None, kept: float = 0.0) -> float:
    return max(0.0, count - rate.burst + kept) / rate.per_second if rate else 0.0


# N = 10, S = 1, U = 0, W = 170 s: work = 1,700 s. With surge 10 it would be 170 s, and W is the
# least in any case.
def bounds(
    limits: Window,
    ready: int,
    usual: Times,
    backend: Capabilities,
    probe: bool,
    waits: float = 0.0,
) -> Bounds:
    """Return what a rollout of this size promises and expects, *waits* being its bakes' seconds.

    What the launches cost is reckoned for one that has its place for itself, and that leaves what
    is kept for ways back in the bucket, as the engine does.
    """
    count = limits.wanted
    work = count * usual.whole / max(1, limits.surge + limits.unavailable)
    kept = reserved(backend.launches) if backend.launches else 0.0
    launching = _drained(count, backend.launches, kept)
    terminating = _drained(count, backend.terminations)
    api = max(launching, terminating)
    least = max(work, api, usual.whole) if count else 0.0
    rate = backend.launches.per_second if backend.launches else 0.0
    return Bounds(
        wanted=count,
        surge=limits.surge,
        unavailable=limits.unavailable,
        floor=floor(limits, ready),
        ceiling=count + limits.surge,
        work=round(work, 3),
        api=round(api, 3),
        expected=round(least + waits + (usual.start if probe and count else 0.0), 3),
        useful_surge=round(rate * usual.whole),
    )


# N = 10, S = 2: five rounds in each of which everything takes as long as it may.
def longest(limits: Limits, sizes: Window, terminate: float) -> float:
    """Return ``max_duration``: the user's, else twice the slowest success plus one deadline."""
    if limits.max_duration is not None:
        return limits.max_duration
    each = limits.boot_timeout + limits.min_ready + limits.drain_timeout + terminate
    rounds = ceil(sizes.wanted / max(1, sizes.surge + sizes.unavailable)) + 1
    return 2 * rounds * each + limits.deadline
