"""Where the figures of an analysis come from: the backend itself, or a metric source."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from immutable.backend import Backend, MetricSource, Reading, SupportsTraffic
from immutable.errors import InvalidValue
from immutable.model import Plan
from immutable.registry import metric_source

__all__ = ["Sources"]


class Sources:
    """The metric sources of one rollout, each opened when first read.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        plan: What is carried out.
    """

    def __init__(self, backend: Backend, fleet: str, plan: Plan) -> None:
        self._backend = backend
        self._fleet = fleet
        self._plan = plan
        self._open: dict[str, MetricSource] = {}

    async def read(self, source: str) -> Reading:
        """Return the counters of the source of that name and address.

        Raises:
            InvalidValue: There is none such.
        """
        if source == "backend":
            if not isinstance(self._backend, SupportsTraffic):
                raise InvalidValue("source", source, "this backend doesn't count traffic")
            return await self._backend.traffic(self._fleet)
        if source not in self._open:
            self._open[source] = metric_source(source)
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
