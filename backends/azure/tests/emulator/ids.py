"""Azure's long names of things: told with the case that they were made with, compared without."""

from __future__ import annotations

import uuid

SUBSCRIPTION = "00000000-0000-0000-0000-00000000cafe"
SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def parts(path: str) -> dict[str, str]:
    """Types to names, lower-case types: `{"resourcegroups": "g", "virtualmachinescalesets": "web"}`."""
    found: dict[str, str] = {}
    words = [word for word in path.split("/") if word]
    while words:
        kind = words.pop(0).lower()
        if kind == "providers" and words:
            found["provider"] = words.pop(0)
        elif words:
            found[kind] = words.pop(0)
        else:
            found[kind] = ""
    return found


def group_id(group: str, subscription: str = SUBSCRIPTION) -> str:
    """A resource group."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def resource_id(group: str, provider: str, *names: str) -> str:
    """A resource: `resource_id("g", "Microsoft.Compute", "virtualMachineScaleSets", "web")`."""
    return "/".join([group_id(group), "providers", provider, *names])


def key(resource: str) -> str:
    """What two spellings of the same name have in common."""
    return resource.rstrip("/").lower()


def kind_of(resource: str) -> str:
    """`Microsoft.Compute/virtualMachineScaleSets/virtualMachines`."""
    tail = resource.split("/providers/", 1)[1].split("/")
    return "/".join([tail[0], *tail[1::2]])


def steady(*words: str) -> str:
    """A GUID that is the same for the same words."""
    return str(uuid.uuid5(SPACE, "/".join(words)))


def fresh() -> str:
    """A GUID that nobody has seen."""
    return str(uuid.uuid4())
