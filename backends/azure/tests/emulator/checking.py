"""Bodies against the shapes that the installed clients carry: names, kinds, enumerations.

The service refuses what it can't read: "Could not find member 'scaleInPolicy' on object of type
'properties'" (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-scale-in-policy,
Troubleshoot). What is read-only may be sent: whoever reads, changes and writes back sends it along.
"""

from __future__ import annotations

from typing import Any

from .schema import Node, settled

RANGES = {
    # Names of fields, with the type that has them; ranges by the REST reference of that type.
    ("RollingUpgradePolicy", "maxBatchInstancePercent"): (5, 100),
    ("RollingUpgradePolicy", "maxUnhealthyInstancePercent"): (5, 100),
    ("RollingUpgradePolicy", "maxUnhealthyUpgradedInstancePercent"): (0, 100),
    ("Sku", "capacity"): (0, 1000),
    ("LoadBalancingRulePropertiesFormat", "idleTimeoutInMinutes"): (4, 100),
}
"""Capacity: "Create a scale set with up to 1,000 instances"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-placement-groups)."""


UNDOCUMENTED = {
    ("NetworkInterface", "kind"),
    ("NetworkInterfacePropertiesFormat", "allowPort25Out"),
}
"""Told by the service (recorded), in no specification, and sent back by whoever read it."""


def check(node: Node, value: Any, path: str = "") -> list[str]:
    """What is wrong with a body; empty if nothing is."""
    wrong: list[str] = []
    _walk(node, value, path, wrong)
    return wrong


KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "map": (dict,),
    "list": (list,),
    "str": (str,),
    "enum": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


def _walk(node: Node, value: Any, path: str, wrong: list[str]) -> None:
    node = settled(node)
    if value is None or node.kind == "any":
        return
    if node.kind == "either":
        if all(check(each, value, path) for each in node.either):
            wrong.append(
                f"'{path}' fits none of {[each.name or each.kind for each in node.either]}"
            )
        return
    number = node.kind in {"int", "float"}
    if not isinstance(value, KINDS[node.kind]) or (number and isinstance(value, bool)):
        wrong.append(f"'{path}' is no {node.kind} but {type(value).__name__}")
    elif node.kind == "object":
        _fields(node, value, path, wrong)
    elif node.kind == "enum":
        if value.lower() not in node.values:
            there = ", ".join(sorted(node.values))
            wrong.append(f"'{value}' at '{path}' is no {node.name}: {there}")
    elif node.of is not None:
        several = value.items() if node.kind == "map" else enumerate(value)
        for name, each in several:
            _walk(node.of, each, f"{path}[{name}]", wrong)


def _fields(node: Node, value: dict[str, Any], path: str, wrong: list[str]) -> None:
    for name, each in value.items():
        if (node.name, name) in UNDOCUMENTED:
            continue
        if name not in node.fields:
            wrong.append(
                f"Could not find member '{name}' on object of type '{node.name}' at '{path}'"
            )
            continue
        below = f"{path}.{name}" if path else name
        _walk(node.fields[name], each, below, wrong)
        bounds = RANGES.get((node.name, name))
        if bounds and isinstance(each, int) and not bounds[0] <= each <= bounds[1]:
            wrong.append(f"The value {each} of '{below}' is not from {bounds[0]} to {bounds[1]}")
