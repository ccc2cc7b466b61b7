"""Which backend services groups are in, who is healthy there, and which URL maps lead there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from immutable.backend import Gone
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.names import last_part, scope_of
from immutable_gcp.reading import member_at
from immutable_gcp.tables import mentions, path_of, table_of

__all__ = ["Pools", "map_call", "service_call"]

_HEALTHY = "HEALTHY"


def service_call(link: str) -> tuple[str, dict[str, Any]]:
    """Return the client's service for a backend service, global or regional, and where that is."""
    where = scope_of(link)
    return ("region_backend_services" if where else "backend_services"), where


def map_call(link: str) -> tuple[str, dict[str, Any]]:
    """Return the client's service for a URL map, global or regional, and where that is."""
    where = scope_of(link)
    return ("region_url_maps" if where else "url_maps"), where


class Pools:
    """Load balancing as far as fleets are concerned.

    Lists are kept for a while: they change when a rollout makes or removes a group, which forgets
    them, or when somebody edits the load balancer. Changes are made on what is read right before.

    Args:
        calls: The door to Compute Engine.
        keep: Seconds for which lists are kept.
    """

    def __init__(self, calls: Calls, keep: float) -> None:
        self._calls = calls
        self._keep = keep
        self._services: tuple[float, Sequence[Answer]] | None = None
        self._maps: dict[frozenset[str], Sequence[str]] = {}

    def forget(self) -> None:
        """Read lists anew at the next look."""
        self._services = None
        self._maps.clear()

    async def services(self, *, anew: bool = False) -> Sequence[Answer]:
        """Return every backend service of the project.

        Args:
            anew: Whether it has to be read now.
        """
        now = asyncio.get_running_loop().time()
        if anew or self._services is None or now - self._services[0] > self._keep:
            found = await self._calls.listed("backend_services", "aggregated_list")
            self._services = now, found
        return self._services[1]

    async def of(
        self, instance_groups: Iterable[str], *, anew: bool = False
    ) -> dict[str, list[Answer]]:
        """Return the backend services that each instance group is in, by its link."""
        found = await self.services(anew=anew)
        told: dict[str, list[Answer]] = {}
        for link in instance_groups:
            told[link] = [
                service
                for service in found
                if any(path_of(b["group"]) == path_of(link) for b in service.get("backends", ()))
            ]
        return told

    async def health(self, service: Answer, instance_group: str) -> dict[str, str]:
        """Return the state of each VM of a group, by zone and name; the worst of several ports."""
        kind, where = service_call(service["self_link"])
        answer = await self._calls.ask(
            kind,
            "get_health",
            about=service["name"],
            backend_service=service["name"],
            resource_group_reference_resource={"group": instance_group},
            **where,
        )
        told: dict[str, str] = {}
        for each in answer.get("health_status", ()):
            place, state = member_at(each["instance"]), str(each.get("health_state", ""))
            if told.get(place, _HEALTHY) == _HEALTHY:
                told[place] = state
        return told

    async def maps(self, services: Iterable[str]) -> list[Answer]:
        """Return every URL map that sends requests to one of these backend services, as it is."""
        links = list(services)
        found = await self._calls.listed("url_maps", "aggregated_list")
        return [each for each in found if mentions(each, links)]

    async def table(self, services: Mapping[int, Sequence[str]]) -> dict[str, int]:
        """Return the weights of a fleet's services as the load balancer has them, by path."""
        links = frozenset(link for each in services.values() for link in each)
        known = self._maps.get(links)
        if known is None:
            found = await self.maps(links)
            known = self._maps[links] = sorted(each["self_link"] for each in found)
        elif known:
            try:
                # They are changed in this order: when the last one shows a table, all do.
                found = [await self.read_map(known[-1])]
            except Gone:
                self._maps.pop(links)
                return {}
        else:
            found = []
        if not found:
            self._maps.pop(links, None)
            return {}
        return table_of(max(found, key=lambda each: str(each["self_link"])), links)

    async def read_map(self, link: str) -> Answer:
        """Return a URL map as it is now."""
        kind, where = map_call(link)
        name = last_part(link)
        return await self._calls.ask(kind, "get", about=name, url_map=name, **where)

    async def read_service(self, link: str) -> Answer:
        """Return a backend service as it is now."""
        kind, where = service_call(link)
        name = last_part(link)
        return await self._calls.ask(kind, "get", about=name, backend_service=name, **where)
