"""The metric source ``azuremonitor``: what applications tell Application Insights, by scale set.

A load balancer of layer 4 knows no HTTP, and an Application Gateway tells the servers of one pool
apart by address, which the next revision's server may have after them. What a server itself says of
its requests is the only thing that is known to be of one revision.
"""

from __future__ import annotations

import re
from typing import Any, Self

from immutable.backend import FleetURL, Gone, Reading, SystemClock
from immutable.errors import InvalidValue, MetricError
from immutable_azure.address import Place
from immutable_azure.calls import MONITOR, Calls
from immutable_azure.insights import BOUNDS, PERIOD, Figure, figures, question, totals
from immutable_azure.looking import Eyes

__all__ = ["AzureMonitorSource"]

_LATE = 300.0
"""Seconds after which a minute's figures are there: an SDK sends them once a minute, and they are
taken in within 20 s to 3 min ("Log data ingestion time in Azure Monitor")."""
_BACK = 600.0
"""How far back the first reading looks: by it later ones know what is new."""
_AGAIN = 300.0
"""Seconds that are asked for again, should something be later than the documents say."""
_COMPONENT = re.compile(r"[\w.()-]{1,260}", re.ASCII)
_WAY = "write azuremonitor:SUBSCRIPTION/RESOURCE_GROUP/COMPONENT"


class AzureMonitorSource:
    """Requests counted by Application Insights: ``azuremonitor:SUBSCRIPTION/GROUP/COMPONENT``.

    ``Analysis(source="azuremonitor:SUBSCRIPTION/shop/shop-insights")``: the fleet's resource group,
    and an Application Insights component in it; options as in the fleet's address. Each server has
    to report the name of its scale set as cloud role name (docs/azure.md). Figures are by the
    minute, and a minute counts five minutes later: a bake has to be much longer than that. A minute
    without figures is no minute without errors: it is not counted at all.

    Args:
        place: The fleet's resource group, and how it is reached.
        component: The component's name.
        credential: Whose permissions; None for azure-identity's usual search.
    """

    def __init__(self, place: Place, component: str, *, credential: Any = None) -> None:
        self._calls = Calls(place, SystemClock(), credential)
        self._eyes = Eyes(self._calls, staleness=20.0)
        self._component = component
        self._minutes: dict[tuple[str, str, bool, int, float], Figure] = {}
        self._known: dict[frozenset[str], float] = {}

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the source of a component; connects to nothing.

        Raises:
            InvalidValue: The address makes no sense.
        """
        where, _, query = address.partition("?")
        subscription, _, rest = where.partition("/")
        group, _, component = rest.partition("/")
        if not _COMPONENT.fullmatch(component):
            raise InvalidValue("source", address, "no subscription, group and component", _WAY)
        url = f"azure://{subscription}/{group}/any{'?' if query else ''}{query}"
        return cls(Place.of(FleetURL.parse(url)), component)

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return what was counted in all minutes that have been read.

        Raises:
            MetricError: A revision has no scale set, or there are no figures.
            BackendError: Azure could not be asked, or refused.
        """
        roles = await self._roles(fleet, revisions)
        wanted = frozenset(roles.values())
        until = (self._calls.now() - _LATE) // PERIOD * PERIOD
        known = self._known.get(wanted)
        if known is None or until > known:
            since = until - _BACK if known is None else known - _AGAIN
            for each in await self._asked(wanted, since, until):
                key = (each.role, each.code, each.good, each.bucket, each.began)
                self._minutes[key] = each
            self._known[wanted] = until
        told = totals(self._minutes.values(), roles)
        if not any(told.values()):
            raise MetricError(
                f"no data: {self._component} has counted no requests of the roles"
                f" {', '.join(sorted(wanted))}; servers report their scale set's name as cloud role"
                " name, and figures come five minutes late"
            )
        return Reading(told, BOUNDS)

    async def close(self) -> None:
        """Let go of connections."""
        await self._calls.close()

    async def _roles(self, fleet: str, revisions: tuple[int, ...]) -> dict[int, str]:
        """Return the name of each revision's scale set."""
        try:
            groups = await self._eyes.groups(fleet)
        except Gone as error:
            raise MetricError(f"no data: {error}") from error
        found = {group.marks.revision: group.name for group in groups}
        missing = [number for number in revisions if number not in found]
        if missing:
            raise MetricError(f"r{missing[0]} of {fleet} has no scale set")
        return {number: found[number] for number in revisions}

    async def _asked(self, roles: frozenset[str], since: float, until: float) -> list[Figure]:
        place = self._calls.place
        group = f"/subscriptions/{place.subscription}/resourceGroups/{place.group}"
        component = f"{group}/providers/Microsoft.Insights/components/{self._component}"
        asked = question(roles, since, until)
        about = self._component
        return figures(
            await self._calls.ask(f"{MONITOR}.metrics.list", component, about=about, **asked)
        )
