"""What share of the resources is immutable, and the exceptions, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from immutable.errors import FleetNotFound, ImmutableError
from immutable.images.looking import AT_ONCE, Connecting
from immutable.journal import Journal
from immutable.model import FleetState, Group, Origin
from immutable.model.drift import DriftReport, DriftVerdict

__all__ = ["inventory", "told"]


async def inventory(journal: Journal, connect: Connecting) -> dict[str, Any]:
    """Look at every fleet that a journal knows, and return what share of it is immutable.

    Args:
        journal: Where its fleets are found.
        connect: How to get hold of a fleet by its address.

    Raises:
        JournalError: The journal can't be read.
    """
    entries = await journal.entries()
    addresses = sorted({*(each.fleet for each in entries), *(await journal.catalog()).policies})
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(address: str) -> dict[str, Any] | None:
        async with turns:
            try:
                async with connect(address) as fleet:
                    return told(address, await fleet.state(), await fleet.drift())
            except FleetNotFound:
                return None
            except ImmutableError as error:
                return {"fleet": address, "not_looked_at": str(error)}

    seen = [each for each in await asyncio.gather(*map(look, addresses)) if each is not None]
    looked = [each for each in seen if "not_looked_at" not in each]
    total = sum(each["instances"] for each in looked)
    immutable = sum(each["immutable"] for each in looked)
    return {
        "instances": total,
        "immutable": immutable,
        "percent": _percent(immutable, total),
        "whole": len(looked) == len(seen),
        "fleets": seen,
    }


def told(address: str, state: FleetState, drift: DriftReport) -> dict[str, Any]:
    """Return what is to be said of one fleet. Pure.

    An instance counts as immutable when a look for drift has seen all that it looks at, and found
    it as its revision says; and when its group was made by a rollout, not adopted.
    """
    exceptions = list(_exceptions(state, drift))
    members = len(drift.findings)
    return {
        "fleet": address,
        "instances": members + len(drift.strays),
        "immutable": members - sum(each["kind"] != "not managed" for each in exceptions),
        "exceptions": exceptions,
        "looked_at": [each.value for each in drift.checked],
        "not_seen": list(drift.unseen),
    }


def _exceptions(state: FleetState, drift: DriftReport) -> Iterator[dict[str, Any]]:
    adopted = {g.number for g in state.groups if _adopted(g)}
    for each in drift.findings:
        why = [str(reason) for reason in each.reasons]
        if each.verdict is DriftVerdict.DRIFTED:
            touched = any(reason.code.value == "tainted" for reason in each.reasons)
            yield _exception(each.instance, "touched" if touched else "drifted", why)
        elif each.verdict is DriftVerdict.UNKNOWN:
            yield _exception(each.instance, "unknown", list(each.unknown))
        elif each.revision in adopted:
            yield _exception(each.instance, "adopted", ["its group was there before"])
    for stray in drift.strays:
        yield _exception(stray.id, "not managed", [stray.found])


def _adopted(group: Group) -> bool:
    return group.origin is not Origin.OURS


def _exception(name: str, kind: str, why: list[str]) -> dict[str, Any]:
    return {"instance": name, "kind": kind, "why": why}


# 0 of 0: nothing is immutable and nothing isn't. 2 of 3: 66.6, as a share is never rounded up.
def _percent(part: int, whole: int) -> float | None:
    return part * 1000 // whole / 10 if whole else None
