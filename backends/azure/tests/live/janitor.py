"""Removes what conformance checks have left in a real resource group: by tag, and by name."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from immutable.backend import BackendError, SystemClock
from immutable_azure.address import Place
from immutable_azure.balancing import rules_of
from immutable_azure.calls import POOLS, SETS, Calls
from immutable_azure.marks import FLEET, RETIRED
from immutable_azure.names import short
from immutable_azure.ownpools import BALANCERS
from immutable_azure.scaling import target_of

PREFIX = "conf"
PAUSE = 30.0
"""Seconds between two rounds: Azure ends servers meanwhile, there is nothing to be woken by."""
SETTINGS = "monitor.autoscale_settings"


async def sweep(calls):
    """Begin to delete what is left; the names of what there still was.

    Sets go with their members; then autoscale settings, and backend pools that no rule sends to.
    What is still in use the next round sees to.

    Args:
        calls: The door to Azure; its place is the resource group where checks run.
    """
    place = calls.place.group
    left = []
    for each in await calls.pages(f"{SETS}.list", place, about=place):
        name, tags = each["name"], each.get("tags") or {}
        if name.startswith(PREFIX) and (FLEET in tags or RETIRED in tags):
            left.append(name)
            await _tried(calls.begin(f"{SETS}.begin_delete", place, name, about=name))
    for each in await calls.pages(f"{SETTINGS}.list_by_resource_group", place, about=place):
        name = each["name"]
        if short(target_of(each), "virtualMachineScaleSets").startswith(PREFIX):
            left.append(name)
            await _tried(calls.ask(f"{SETTINGS}.delete", place, name, about=name))
    for each in await calls.pages(f"{BALANCERS}.list", place, about=place):
        for pool in each.get("properties", {}).get("backendAddressPools") or ():
            name = pool["name"]
            if name.startswith(PREFIX) and not rules_of(pool):
                left.append(name)
                doing = calls.begin(f"{POOLS}.begin_delete", place, each["name"], name, about=name)
                await _tried(doing)
    return left


async def _tried(call):
    with suppress(BackendError):  # In use for a while yet, or on its way out.
        await call


def place_named():
    """Where the environment says that checks run."""
    return Place(os.environ["IMMUTABLE_LIVE_SUBSCRIPTION"], os.environ["IMMUTABLE_LIVE_GROUP"])


async def clean(calls):
    """Sweep until nothing is left."""
    try:
        while await sweep(calls):
            await asyncio.sleep(PAUSE)
    finally:
        await calls.close()


if __name__ == "__main__":
    asyncio.run(clean(Calls(place_named(), SystemClock())))
