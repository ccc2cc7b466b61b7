"""Where the figures of an analysis come from: the backend itself, or a metric source."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from immutable.backend import Backend, MetricSource, Reading, SupportsTraffic
from immutable.errors import InvalidValue, Problem, RegistryError
from immutable.model import Analysis, Plan
from immutable.planning.goals import gates
from immutable.registry import metric_source

__all__ = ["Sources", "unreadable"]


async def unreadable(backend: Backend, plan: Plan) -> tuple[Problem, ...]:
    """Return why analyses of *plan* could never read their source; asks nobody outside."""
    sources = {gate.source: None for gate in gates(plan.steps) if isinstance(gate, Analysis)}
    found = [await _problem(backend, source) for source in sources]
    return tuple(problem for problem in found if problem is not None)


async def _problem(backend: Backend, source: str) -> Problem | None:
    if source == "backend":
        if backend.capabilities.traffic_stats and isinstance(backend, SupportsTraffic):
            return None
        return Problem(
            "an analysis would read the backend's counters, and this backend doesn't count traffic",
            "name a metric source, as in Analysis(source='prometheus:https://…'), or leave it out",
        )
    try:
        await asyncio.to_thread(metric_source, source)
    except (InvalidValue, RegistryError) as error:
        # Only the source's name: nobody knows what a wrong address holds.
        return Problem(f"an analysis can't read {source.partition(':')[0]}: {error}")
    return None


class Sources:
    """The metric sources of one rollout, each opened when first read.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        plan: What is carried out.
    """

    def __init__(self, backend: Backend, fleet: str, plan: Plan) -> None:
        # Asked once: whether a protocol is kept takes longer to tell than a reading.
        self._counting = backend if isinstance(backend, SupportsTraffic) else None
        self._fleet = fleet
        self._plan = plan
        self._open: dict[str, MetricSource] = {}

    async def read(self, source: str) -> Reading:
        """Return the counters of the source of that name and address.

        Raises:
            InvalidValue: The address makes no sense, or the backend doesn't count traffic.
            RegistryError: No such source is installed.
        """
        if source == "backend":
            if self._counting is None:
                raise InvalidValue("source", source, "this backend doesn't count traffic")
            return await self._counting.traffic(self._fleet)
        if source not in self._open:
            # On a thread: finding reads the disk. Two analyses may be here at once.
            opened = await asyncio.to_thread(metric_source, source)
            self._open.setdefault(source, opened)
        revisions = self._plan.stable.number, self._plan.candidate.number
        return await self._open[source].read(self._fleet, revisions)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for source in self._open.values():
            await source.close()
