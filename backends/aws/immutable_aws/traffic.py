"""Tables of weights in a load balancer's rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["STEP", "forwards_to", "table_of", "weights_for", "with_table"]

Actions = Sequence[Mapping[str, Any]]

_UNIT = 5
STEP = 1 / _UNIT
"""The finest share, in percent: 100 % is 500, and a rule's weight may be 999 at most."""


def _groups(action: Mapping[str, Any]) -> dict[str, int]:
    config = action.get("ForwardConfig") or {}
    listed = {
        each["TargetGroupArn"]: int(each.get("Weight", 1))
        for each in config.get("TargetGroups", ())
    }
    alone = action.get("TargetGroupArn")
    return listed or ({alone: 1} if alone else {})


def table_of(actions: Actions) -> dict[str, int]:
    """Return the weights of the target groups that a rule forwards to, by ARN."""
    for action in actions:
        if action.get("Type") == "forward":
            return _groups(action)
    return {}


def forwards_to(actions: Actions, target_group: str) -> bool:
    """Return whether a rule sends requests to a target group, at whatever weight."""
    return target_group in table_of(actions)


# {1: 95, 2: 5}: weights 475 and 25.
def weights_for(shares: Mapping[int, float], groups: Mapping[int, str]) -> dict[str, int]:
    """Return a rule's table for percentages.

    Args:
        shares: Percentages by revision number.
        groups: The target group of each revision, by ARN.
    """
    return {groups[number]: round(share * _UNIT) for number, share in shares.items()}


def with_table(actions: Actions, table: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return a rule's actions with another table; whatever else they do stays.

    A table of one is written in the plain form, as it was before there were weights.
    """
    return [
        _forward(action, table) if action.get("Type") == "forward" else _kept(action)
        for action in actions
    ]


def _forward(action: Mapping[str, Any], table: Mapping[str, int]) -> dict[str, Any]:
    new = {name: action[name] for name in ("Type", "Order") if name in action}
    config = dict(action.get("ForwardConfig") or {})
    sticky = config.get("TargetGroupStickinessConfig") or {}
    if len(table) == 1 and not sticky.get("Enabled"):
        return {**new, "TargetGroupArn": next(iter(table))}
    config["TargetGroups"] = [{"TargetGroupArn": a, "Weight": w} for a, w in table.items()]
    return {**new, "ForwardConfig": config}


def _kept(action: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(action)
    oidc = new.get("AuthenticateOidcConfig")
    if oidc:
        # AWS doesn't tell the secret; this says to keep the one that it has.
        new["AuthenticateOidcConfig"] = {**oidc, "UseExistingClientSecret": True}
    return new
