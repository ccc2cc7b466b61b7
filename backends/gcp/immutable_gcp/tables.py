"""Tables of weights in URL maps. Pure.

A URL map names backend services in its default, in path matchers, path rules and route rules. Each
such place names one service, or a weighted list in its route action ("Traffic management for global
external Application Load Balancers"). A fleet's traffic is divided in every place that names its
service.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = [
    "STEP",
    "WHOLE",
    "mentions",
    "others",
    "path_of",
    "shares",
    "table_of",
    "with_table",
]

WHOLE = 1000
"""What a weight may be at most; the sum for which shares are reckoned."""
STEP = 100 / WHOLE
"""The finest share, in percent."""

Description = Mapping[str, Any]
Table = Mapping[str, int]
_Place = tuple[dict[str, Any], str, str]


def path_of(link: str) -> str:
    """Return a link from the project on: services answer with more than one host name."""
    at = link.find("projects/")
    return link[at:] if at >= 0 else link


def _places(url_map: dict[str, Any]) -> Iterator[_Place]:
    """Yield everything that names services, with the names of its two fields."""
    default = ("default_service", "default_route_action")
    yield (url_map, *default)
    for matcher in url_map.get("path_matchers", ()):
        yield (matcher, *default)
        for kind in ("path_rules", "route_rules"):
            for rule in matcher.get(kind, ()):
                yield rule, "service", "route_action"


def _table(place: Description, service: str, action: str) -> dict[str, int]:
    listed = place.get(action, {}).get("weighted_backend_services", ())
    if listed:
        return {path_of(each["backend_service"]): int(each.get("weight", 0)) for each in listed}
    return {path_of(place[service]): 1} if place.get(service) else {}


def _ours(
    url_map: dict[str, Any], links: Iterable[str]
) -> Iterator[tuple[dict[str, Any], str, str]]:
    paths = {path_of(link) for link in links}
    for place, service, action in _places(url_map):
        if _table(place, service, action).keys() & paths:
            yield place, service, action


def mentions(url_map: Description, links: Iterable[str]) -> bool:
    """Return whether a URL map sends requests to one of these services, at whatever weight."""
    return next(_ours(dict(url_map), links), None) is not None


def table_of(url_map: Description, links: Iterable[str]) -> dict[str, int]:
    """Return the weights of the first place that names one of these services, by path."""
    for place, service, action in _ours(dict(url_map), links):
        return _table(place, service, action)
    return {}


def others(url_map: Description, links: Iterable[str]) -> set[str]:
    """Return which further services get a part of the traffic of these."""
    known = list(links)
    found: set[str] = set()
    for place, service, action in _ours(dict(url_map), known):
        found |= _table(place, service, action).keys()
    return found - {path_of(link) for link in known}


def with_table(url_map: Description, links: Iterable[str], table: Table) -> dict[str, Any]:
    """Return a URL map with this table in every place that names one of these services.

    A table of one service is written in the plain form, as it was before there were weights.

    Args:
        url_map: The map.
        links: The services of the fleet.
        table: Weights by link.
    """
    new: dict[str, Any] = copy.deepcopy(dict(url_map))
    for place, service, action in list(_ours(new, links)):
        route = place.get(action, {})
        route.pop("weighted_backend_services", None)
        place.pop(service, None)
        if len(table) == 1:
            place[service] = next(iter(table))
        else:
            listed = [{"backend_service": link, "weight": weight} for link, weight in table.items()]
            route["weighted_backend_services"] = listed
        place.pop(action, None)
        if route:
            place[action] = route
    return new


# {1: 95, 2: 5} percent: weights 950 and 50.
def shares(percent: Mapping[int, float], services: Mapping[int, str]) -> dict[str, int]:
    """Return the table for percentages.

    Args:
        percent: Percentages by revision number.
        services: The backend service of each revision, by link.
    """
    return {services[number]: round(share * WHOLE / 100) for number, share in percent.items()}
