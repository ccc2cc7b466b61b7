"""A virtual machine scale set: its model, its members, what is told about it."""

from __future__ import annotations

import copy
from typing import Any

from attrs import define, field

from . import ids
from .errors import ArmError
from .machines import Machine

KIND = "Microsoft.Compute/virtualMachineScaleSets"


@define(eq=False)
class ScaleSet:
    """One scale set.

    Args:
        id, name, place: its long name, its last part, its resource group.
        doc: the model as it was put, with defaults; without what is told but never sent.
        members: Uniform: by instance id; Flexible: by the machine's name.
        next: number of the next member; numbers never come again.
        model: counts up with each change of what members are made from.
        etag: counts up with each change.
        capacity_failed: why the last change of size failed.
        repairs: state of the service that repairs; None without a policy.
    """

    id: str
    name: str
    place: str
    doc: dict[str, Any]
    made: str
    members: dict[str, Machine] = field(factory=dict)
    next: int = 0
    model: int = 1
    etag: int = 1
    unique: str = field(factory=ids.fresh)
    principal: str = field(factory=ids.fresh)
    creating: bool = True
    deleting: bool = False
    failed: ArmError | None = None
    repairs: str | None = None
    rolling: dict[str, Any] | None = None

    @property
    def properties(self) -> dict[str, Any]:
        """The model's properties."""
        said: dict[str, Any] = self.doc["properties"]
        return said

    @property
    def flexible(self) -> bool:
        """Whether its members are virtual machines of their own."""
        return str(self.properties["orchestrationMode"]).lower() == "flexible"

    @property
    def capacity(self) -> int:
        """How many members it is asked to have."""
        return int(self.doc["sku"]["capacity"])

    @capacity.setter
    def capacity(self, size: int) -> None:
        if size != self.capacity:
            self.doc["sku"]["capacity"] = size
            self.etag += 1

    @property
    def profile(self) -> dict[str, Any]:
        """What members are made from."""
        said: dict[str, Any] = self.properties.get("virtualMachineProfile", {})
        return said

    @property
    def zones(self) -> list[str]:
        """The zones; one without a name where there are none."""
        return self.doc.get("zones") or [""]

    @property
    def mode(self) -> str:
        """Of the upgrade policy, lower-case."""
        return str(self.properties.get("upgradePolicy", {}).get("mode", "manual")).lower()

    def live(self) -> list[Machine]:
        """Members that are not about to go."""
        return [member for member in self.members.values() if not member.leaves]


def defaults(doc: dict[str, Any]) -> None:
    """Fill in what the service does.

    Recorded (cloud-provider-azure, virtualmachinescalesetclient): a PUT without them is answered
    with these.
    """
    doc.setdefault("sku", {})
    doc["sku"].setdefault("tier", "Standard")
    doc["sku"].setdefault("capacity", 0)
    said = doc.setdefault("properties", {})
    said.setdefault("orchestrationMode", "Uniform")
    flexible = said["orchestrationMode"].lower() == "flexible"
    said.setdefault("singlePlacementGroup", not flexible and doc["sku"]["capacity"] <= 100)
    said.setdefault("platformFaultDomainCount", 1 if flexible or doc.get("zones") else 5)
    if not flexible:
        said.setdefault("overprovision", True)
        said.setdefault("doNotRunExtensionsOnOverprovisionedVMs", False)
    if doc.get("zones"):
        said.setdefault("zoneBalance", False)


SECRETS = (
    ("osProfile", "adminPassword"),
    ("osProfile", "customData"),
    ("userData",),
)
"""Sent, and never told; user data is told where `$expand=userData` asks for it
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/get)."""


HIDDEN = frozenset({"adminPassword", "customData", "protectedSettings"})


def hidden(value: Any) -> Any:
    """A body as it is written down: without what nobody may read."""
    if isinstance(value, dict):
        return {k: "hidden" if k in HIDDEN else hidden(each) for k, each in value.items()}
    return [hidden(each) for each in value] if isinstance(value, list) else value


def without_secrets(profile: dict[str, Any], *, user_data: bool = False) -> dict[str, Any]:
    """A profile as it is told."""
    told = copy.deepcopy(profile)
    for *above, last in SECRETS:
        node = told
        for word in above:
            node = node.get(word) or {}
        if last != "userData" or not user_data:
            node.pop(last, None)
    for extension in (told.get("extensionProfile") or {}).get("extensions", []):
        (extension.get("properties") or {}).pop("protectedSettings", None)
    return told


def with_secrets(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Keep what a caller that sends back what it read could not know."""
    for *above, last in SECRETS:
        node, kept = new, old
        for word in above:
            node, kept = node.get(word) or {}, kept.get(word) or {}
        if last in kept and (node or not above):
            node.setdefault(last, kept[last])


def merged(old: Any, new: Any) -> Any:
    """An update: objects field by field, all else as a whole; tags as a whole too."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return copy.deepcopy(new)
    out = dict(old)
    for name, value in new.items():
        out[name] = copy.deepcopy(value) if name == "tags" else merged(old.get(name), value)
    return out
