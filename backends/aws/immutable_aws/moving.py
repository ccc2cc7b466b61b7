"""What of a policy or an alarm names its group, and becomes the name of the next one's. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from immutable_aws.reading import Described

__all__ = ["NOBODY", "Names", "moved", "names_of"]

_GROUP, _POOL, _LABEL = "AutoScalingGroupName", "TargetGroup", "ResourceLabel"


@frozen
class Names:
    """By which names CloudWatch knows a group and its target groups.

    Attributes:
        group: The group's name: the dimension ``AutoScalingGroupName``.
        pools: The last parts of its target groups' ARNs, in their order: the dimension
            ``TargetGroup``, and the end of a ``ResourceLabel``.
    """

    group: str
    pools: tuple[str, ...] = ()


NOBODY = Names("")
"""What names no group: so are settings told that belong to whichever group has them."""


def names_of(group: Described) -> Names:
    """Return by which names CloudWatch knows a group."""
    arns = sorted(group.target_groups)
    return Names(group.name, tuple(arn.rpartition(":")[2] for arn in arns))


# {"Name": "AutoScalingGroupName", "Value": "web"} becomes … "web-r2"; of another group it stays.
# "app/front/1/targetgroup/web/2" becomes "app/front/1/targetgroup/web-r2/3" where r2 has a target
# group of its own: Auto Scaling takes no label of one that isn't attached.
def moved(value: Any, old: Names, new: Names) -> Any:
    """Return a description with one group's names in place of another's.

    Names of target groups change only where each has as many: then they belong together in order.

    Args:
        value: A policy, an alarm, or a part of one.
        old: The names that it may have.
        new: Those that it gets.
    """
    if isinstance(value, Mapping):
        if value.get("Name") in (_GROUP, _POOL) and isinstance(value.get("Value"), str):
            return {**value, "Value": _name(value["Name"], value["Value"], old, new)}
        return {
            key: _label(each, old, new) if key == _LABEL else moved(each, old, new)
            for key, each in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [moved(each, old, new) for each in value]
    return value


def _name(kind: str, value: str, old: Names, new: Names) -> str:
    if kind == _GROUP:
        return new.group if value == old.group else value
    return _pools(old, new).get(value, value)


def _label(label: Any, old: Names, new: Names) -> Any:
    for pool, other in _pools(old, new).items():
        if isinstance(label, str) and label.endswith(f"/{pool}"):
            return label.removesuffix(pool) + other
    return label


def _pools(old: Names, new: Names) -> dict[str, str]:
    if new == NOBODY:
        return {pool: f"{_POOL} {number}" for number, pool in enumerate(old.pools)}
    if len(old.pools) != len(new.pools):
        return {}
    return dict(zip(old.pools, new.pools, strict=True))
