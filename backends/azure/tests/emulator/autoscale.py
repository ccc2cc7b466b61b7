"""Autoscale settings, and samples of metrics that the test makes up.

"Autoscale Settings" (https://learn.microsoft.com/rest/api/monitor/autoscale-settings), "Metrics - List"
(https://learn.microsoft.com/rest/api/monitor/metrics/list).
"""

from __future__ import annotations

import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated
from .operations import stamp
from .repairs import minutes
from .sets import merged
from .store import Resource

if TYPE_CHECKING:
    from .world import World

KIND = "Microsoft.Insights/autoscalesettings"
SETTINGS = "monitor:autoscale_settings"


def told(found: Resource) -> dict[str, Any]:
    """A setting; without long-running operations and without etags."""
    said = copy.deepcopy(found.doc)
    said |= {"name": found.name, "id": found.id, "type": KIND}
    said["properties"].setdefault("name", found.name)
    said["properties"].setdefault("enabled", False)
    return said


@answers(f"{SETTINGS}.create_or_update")
def put(world: World, call: Call) -> Answer:
    """Make, 201, or replace, 200; one setting for each target."""
    world.place(call.group)
    target = ids.key((call.body.get("properties") or {}).get("targetResourceUri", ""))
    for other in world.store.of(KIND):
        if ids.key(other.id) != ids.key(call.path) and target == ids.key(
            other.properties.get("targetResourceUri", "")
        ):
            said = f"The target resource {target} already has the autoscale setting {other.name}."
            raise ArmError("Conflict", said, 409)
    found, new = world.store.put(call.path, call.body)
    return Answer(201 if new else 200, told(found))


@answers(f"{SETTINGS}.update")
def patch(world: World, call: Call) -> Answer:
    """Change some of it."""
    found = world.store.get(call.path)
    found.doc = merged(found.doc, call.body)
    return Answer(200, told(found))


@answers(f"{SETTINGS}.get")
def get(world: World, call: Call) -> Answer:
    """One."""
    world.place(call.group)
    return Answer(200, told(world.store.get(call.path)))


@answers(f"{SETTINGS}.list_by_resource_group", f"{SETTINGS}.list_by_subscription")
def listed(world: World, call: Call) -> Answer:
    """All."""
    return world.page(call, [told(each) for each in world.store.of(KIND, call.group or None)])


@answers(f"{SETTINGS}.delete")
def delete(world: World, call: Call) -> Answer:
    """Remove one: 200, or 204 if it is not there."""
    world.place(call.group)
    return Answer(200 if world.store.pop(call.path) else 204)


@answers("monitor:metrics.list")
def metrics(world: World, call: Call) -> Answer:
    """Samples by interval; a time without samples has no values."""
    resource = ids.key(call.path).split("/providers/microsoft.insights/metrics")[0]
    span = call.query["timespan"].split("/")
    start, end = (datetime.fromisoformat(each).timestamp() for each in span)
    step = minutes(call.query.get("interval", "PT1M")) * 60
    wanted = [each.lower() for each in call.query.get("aggregation", "average").split(",")]
    if set(wanted) - {"average", "total", "count", "minimum", "maximum"} or "$filter" in call.query:
        raise NotEmulated("this aggregation or a $filter of metrics")
    value = []
    for name in call.query["metricnames"].split(","):
        data = []
        at = start
        while at < end:
            found = [v for when, vs in world.samples.get((ids.key(resource), name), []) if at <= when < at + step for v in vs]  # fmt: skip
            data.append({"timeStamp": stamp(world, at), **_statistics(wanted, found)})
            at += step
        value.append({
            "id": f"{resource}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics", "name": {"value": name, "localizedValue": name},
            "unit": "Count", "errorCode": "Success",
            "timeseries": [{"metadatavalues": [], "data": data}],
        })  # fmt: skip
    return Answer(200, {"cost": 0, "timespan": call.query["timespan"], "interval": call.query.get("interval", "PT1M"), "value": value})  # fmt: skip


def _statistics(wanted: list[str], values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    every = {"average": sum(values) / len(values), "total": sum(values), "count": len(values),
             "minimum": min(values), "maximum": max(values)}  # fmt: skip
    return {name: float(every[name]) for name in wanted}
