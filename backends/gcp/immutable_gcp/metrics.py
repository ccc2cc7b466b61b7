"""The metric source ``cloudmonitoring``: what Application Load Balancers count, by backend service.

``google-cloud-monitoring`` speaks gRPC only; one method is needed here, so it is asked over REST,
with the session that the client of Compute Engine is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from immutable.backend import FleetURL, Gone, Reading, SystemClock
from immutable.errors import InvalidValue, MetricError
from immutable.toolkit.requests import together
from immutable_gcp.address import Place
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.looking import Eyes
from immutable_gcp.names import scope_of
from immutable_gcp.questions import METRICS, PERIOD, Kind, kind_of, question
from immutable_gcp.routing import own_services
from immutable_gcp.timeseries import BOUNDS, Figure, figures, totals

__all__ = ["CloudMonitoringSource"]

_HOST = "https://monitoring.googleapis.com"
_LATE = 240.0
"""Seconds after which a minute's figures are all there: at most 210, say the documents."""
_BACK = 600.0
"""How far back the first reading looks: by it later ones know what is new."""
_AGAIN = 120.0
"""Seconds that are asked for again, should something be later than the documents say."""


class CloudMonitoringSource:
    """Counts of a fleet's backend services: ``cloudmonitoring:PROJECT/LOCATION``.

    ``Analysis(source="cloudmonitoring:my-project/europe-west1")``; location and options as in the
    fleet's address. Figures are by the minute, and a minute counts when all of it must be visible,
    four minutes later: a bake has to be much longer than that. Each revision needs a backend
    service of its own, so it is for rollouts by weights. A minute without figures is no minute
    without errors: it is not counted at all.

    Args:
        place: Where.
    """

    def __init__(self, place: Place) -> None:
        self._calls = Calls(place, SystemClock())
        self._eyes = Eyes(self._calls, staleness=20.0, poll=5.0)
        self._minutes: dict[tuple[str, str, float], Figure] = {}
        self._known: dict[frozenset[str], float] = {}

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the source of a project and location; connects to nothing.

        Raises:
            InvalidValue: The address makes no sense.
        """
        where, _, query = address.partition("?")
        if where.count("/") != 1:
            out = "write cloudmonitoring:PROJECT/europe-west1"
            raise InvalidValue("source", address, "no project and location", out)
        return cls(Place.of(FleetURL.parse(f"gcp://{where}/any{'?' if query else ''}{query}")))

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return what was counted in all minutes that have been read.

        Raises:
            MetricError: A revision has no backend service of its own, or there are no figures.
            BackendError: Google could not be asked, or refused.
        """
        found = await self._services(fleet, revisions)
        services = {number: str(each["name"]) for number, each in found.items()}
        wanted = frozenset(str(each["self_link"]) for each in found.values())
        until = (self._calls.now() - _LATE) // PERIOD * PERIOD
        known = self._known.get(wanted)
        if known is None or until > known:
            since = until - _BACK if known is None else known - _AGAIN
            for each in await self._asked(_by_kind(found.values()), since, until):
                self._minutes[each.service, each.group, each.ended] = each
            self._known[wanted] = until
        told = totals(self._minutes.values(), services)
        if not any(told.values()):
            raise MetricError(
                f"no data: Cloud Monitoring has no figures of {fleet}'s backend services"
                f" {', '.join(sorted(services.values()))}; they come four minutes late"
            )
        return Reading(told, BOUNDS)

    async def close(self) -> None:
        """Let go of connections."""
        self._calls.close()

    async def _services(self, fleet: str, revisions: tuple[int, ...]) -> dict[int, Answer]:
        """Return the backend service that is each revision's own."""
        try:
            groups = await self._eyes.groups(fleet)
        except Gone as error:
            raise MetricError(f"no data: {error}") from error
        pools = await self._eyes.pools.of([group.instance_group for group in groups])
        found = own_services(groups, pools)
        missing = [number for number in revisions if number not in found]
        if missing:
            raise MetricError(
                f"r{missing[0]} of {fleet} has no backend service of its own: Cloud Monitoring"
                " can't tell it from the others; use a rollout by weights, or a Prometheus"
            )
        told = {each["self_link"]: each for services in pools.values() for each in services}
        return {number: told[found[number]] for number in revisions}

    async def _asked(
        self, kinds: Mapping[tuple[Kind, str], Iterable[str]], since: float, until: float
    ) -> list[Figure]:
        project = self._calls.place.project
        answers = await together(
            *(
                self._pages(question(metric, kind, project, region, services, since, until))
                for (kind, region), services in kinds.items()
                for metric in METRICS
            )
        )
        return [figure for pages in answers for page in pages for figure in figures(page)]

    async def _pages(self, parameters: list[tuple[str, str]]) -> list[Answer]:
        pages: list[Answer] = []
        token = ""
        while not pages or token:
            more = [("pageToken", token)] if token else []
            pages.append(await self._page([*parameters, *more]))
            token = str(pages[-1].get("nextPageToken", ""))
        return pages

    async def _page(self, parameters: list[tuple[str, str]]) -> Answer:
        project = self._calls.place.project
        return await self._calls.fetch(
            _HOST, f"/v3/projects/{project}/timeSeries", parameters, about="timeSeries.list"
        )


def _by_kind(services: Iterable[Answer]) -> dict[tuple[Kind, str], list[str]]:
    """Return the services' names by the metrics, and the region, that they are found under."""
    kinds: dict[tuple[Kind, str], list[str]] = {}
    for each in services:
        region = str(scope_of(each["self_link"]).get("region", ""))
        scheme = str(each.get("load_balancing_scheme", "EXTERNAL"))
        kinds.setdefault((kind_of(scheme, region), region), []).append(str(each["name"]))
    return kinds
