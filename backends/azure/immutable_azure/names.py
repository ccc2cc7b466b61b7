"""The names of what is made, and the parts of Azure's long names. Pure."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["autoscale_name", "key", "member_name", "set_name", "short"]


def set_name(fleet: str, revision: int) -> str:
    """Return the name of a revision's scale set: a function of fleet and number alone."""
    return f"{fleet}-r{revision}"


def autoscale_name(group: str) -> str:
    """Return the name of the autoscale setting that a scale set gets when it is handed one."""
    return f"{group}-autoscale"


def key(resource: str) -> str:
    """Return a resource's long name so that two of them can be compared: case has no meaning."""
    return resource.rstrip("/").lower()


# "/…/loadBalancers/front/backendAddressPools/web": "front" of "loadBalancers".
def short(resource: str, kind: str) -> str:
    """Return the name that stands behind *kind* in a resource's long name; empty without it."""
    words = resource.split("/")
    lower = [word.lower() for word in words]
    if kind.lower() not in lower[:-1]:
        return ""
    return words[lower.index(kind.lower()) + 1]


# Uniform: instance "4" of web is "web_4". Flexible: the machine's own name, "web_1a2b3c4d".
def member_name(group: str, described: Mapping[str, object]) -> str:
    """Return the name by which an action of the set names a member, without the set's own.

    Args:
        group: The scale set's name.
        described: The member's description.
    """
    number = described.get("instanceId")
    if number is not None:
        return str(number)
    return str(described["name"]).removeprefix(f"{group}_")
