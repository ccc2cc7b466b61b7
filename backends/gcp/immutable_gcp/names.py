"""The names of what is made, and of requests: functions of what they are for alone. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

__all__ = ["group_name", "last_part", "request_id", "scope_of"]

_SPACE = uuid.UUID("6f2d6c1e-7c0d-5d0a-9b61-0c4f7b1f3a52")


def group_name(fleet: str, revision: int) -> str:
    """Return the name of a revision's group, template, autoscaler and backend service."""
    return f"{fleet}-r{revision}"


def request_id(token: str, call: str, request: Mapping[str, Any], attempt: int) -> str:
    """Return the UUID by which Compute Engine knows one request of one call again.

    Args:
        token: The token of the call.
        call: Service and method.
        request: Everything that is asked for.
        attempt: How many requests like this one are known to have failed: Google answers a
            repeated id with the operation of the first request, failed or not.
    """
    said = json.dumps(request, sort_keys=True, default=str)
    return str(uuid.uuid5(_SPACE, "\n".join((token, call, said, str(attempt)))))


# ".../zones/europe-west1-b/instances/web-x1y2": web-x1y2.
def last_part(link: str) -> str:
    """Return the name at the end of a link."""
    return link.rstrip("/").rpartition("/")[2]


# ".../projects/p/zones/z/instances/i": {"zone": "z"}; ".../global/urlMaps/m": {}.
def scope_of(link: str) -> dict[str, Any]:
    """Return in which zone or region a link leads, as the parameter of a request; empty: global."""
    parts = link.split("/")
    for kind, name in (("zones", "zone"), ("regions", "region")):
        if kind in parts[:-1]:
            return {name: parts[parts.index(kind) + 1]}
    return {}
