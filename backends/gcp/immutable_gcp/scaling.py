"""Autoscalers: what of them is told, held and handed over. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["OFF", "bounds", "copied", "mode_of", "policy_of", "settings"]

Description = Mapping[str, Any]

OFF = "OFF"
"""The mode in which an autoscaler does nothing. ONLY_SCALE_OUT won't do: it follows the peak of the
last ten minutes, and would refill what was retired, with the old image."""

_BOUNDS = ("min_num_replicas", "max_num_replicas")


def policy_of(scaler: Description) -> dict[str, Any]:
    """Return an autoscaler's policy."""
    return dict(scaler.get("autoscaling_policy", {}))


def mode_of(scaler: Description) -> str:
    """Return an autoscaler's mode; ON where it says none."""
    return str(policy_of(scaler).get("mode", "ON"))


def bounds(scaler: Description) -> tuple[int, int | None]:
    """Return the least and the most members that an autoscaler goes to."""
    policy = policy_of(scaler)
    most = policy.get("max_num_replicas")
    return int(policy.get("min_num_replicas", 0)), None if most is None else int(most)


def settings(scaler: Description | None, mode: str = "") -> dict[str, str]:
    """Return what has to be as before at the end, but for the bounds, which are told apart.

    Args:
        scaler: The group's autoscaler.
        mode: Its mode as it will be after the hold; empty for as it is.
    """
    if scaler is None:
        return {}
    policy = {k: v for k, v in policy_of(scaler).items() if k not in _BOUNDS}
    policy["mode"] = mode or mode_of(scaler)
    return {"autoscaling": json.dumps(policy, sort_keys=True)}


def copied(scaler: Description, name: str, target: str, minimum: int) -> dict[str, Any]:
    """Return an autoscaler like this one for another group, switched off.

    Args:
        scaler: The one that is there.
        name: Its name.
        target: The link of the other group.
        minimum: The least members of that.
    """
    policy = {**policy_of(scaler), "mode": OFF, "min_num_replicas": minimum}
    new = {"name": name, "target": target, "autoscaling_policy": policy}
    if scaler.get("description"):
        new["description"] = scaler["description"]
    return new
