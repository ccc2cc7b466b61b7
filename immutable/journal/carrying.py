"""What the journal does to the tables of what fleets carry: policies, bypasses, followings, offers.

A part of the catalog: its records are in the catalog's course, and applied within its transaction.
"""

from __future__ import annotations

from typing import Any

from immutable.catalog.state import FleetPolicy
from immutable.journal.transactions import Run, Statement, Transaction
from immutable.model.catalog import (
    CatalogRecord,
    Followed,
    GlassBroken,
    PlanApproved,
    PlanOffered,
    PolicySet,
)

__all__ = ["applied", "approvals", "carried"]


def carried() -> Run[dict[str, Any]]:
    """Return what fleets carry, as the fields of `immutable.catalog.Catalog`."""
    policies = yield Statement("SELECT fleet, policy, at, actor, reason FROM policies")
    bypasses = yield Statement("SELECT fleet, until, reason, actor FROM bypasses")
    followers = yield Statement("SELECT fleet, following FROM followers ORDER BY fleet")
    offers = yield Statement("SELECT fleet, channel, number, plan FROM offers ORDER BY fleet")
    return {
        "policies": {each[0]: FleetPolicy(*each) for each in policies},
        "bypasses": {each[0]: GlassBroken(*each) for each in bypasses},
        "followers": dict(followers),
        "offers": {each[0]: PlanOffered(*each) for each in offers},
    }


def approvals(_: Transaction, plan: str) -> Run[tuple[str, ...]]:
    """Return what was handed in as signed under a plan, in order."""
    rows = yield Statement("SELECT signed FROM approvals WHERE plan = ? ORDER BY number", (plan,))
    return tuple(signed for (signed,) in rows)


def applied(record: CatalogRecord, now: float) -> Run[None]:
    """Do to the tables what a record says of a fleet, or of a plan."""
    match record:
        case PolicySet(fleet, policy, actor, reason):
            yield Statement("DELETE FROM policies WHERE fleet = ?", (fleet,))
            if policy:
                yield Statement(
                    "INSERT INTO policies (fleet, policy, at, actor, reason)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (fleet, policy, now, actor, reason),
                )
        case GlassBroken(fleet, until, reason, actor):
            yield Statement("DELETE FROM bypasses WHERE fleet = ?", (fleet,))
            yield Statement(
                "INSERT INTO bypasses (fleet, until, reason, actor) VALUES (?, ?, ?, ?)",
                (fleet, until, reason, actor),
            )
        case PlanApproved(plan, signed):
            last = yield Statement(
                "SELECT COALESCE(MAX(number), 0) FROM approvals WHERE plan = ?", (plan,)
            )
            yield Statement(
                "INSERT INTO approvals (plan, number, signed) VALUES (?, ?, ?)",
                (plan, last[0][0] + 1, signed),
            )
        case Followed(fleet, following):
            yield Statement("DELETE FROM offers WHERE fleet = ?", (fleet,))
            yield Statement("DELETE FROM followers WHERE fleet = ?", (fleet,))
            if following:
                yield Statement(
                    "INSERT INTO followers (fleet, following) VALUES (?, ?)", (fleet, following)
                )
        case PlanOffered(fleet, channel, number, plan):
            yield Statement("DELETE FROM offers WHERE fleet = ?", (fleet,))
            yield Statement(
                "INSERT INTO offers (fleet, channel, number, plan) VALUES (?, ?, ?, ?)",
                (fleet, channel, number, plan),
            )
