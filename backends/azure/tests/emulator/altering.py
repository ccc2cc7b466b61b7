"""What others do to a machine behind its set's back, as it is told of afterwards.

- "Virtual Machine Scale Set VMs - Update" gives a machine a model of its own, such as a disk
  (https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms/update):
  `modelDefinitionApplied` says so
- "Virtual Machines - Update" changes size, tags and disks of one machine
  (https://learn.microsoft.com/rest/api/compute/virtual-machines/update)
- "Virtual Machine Scale Set VM Extensions - Create Or Update" installs an agent
  (https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vm-extensions/create-or-update)
"""

from __future__ import annotations

import copy
from typing import Any

from .machines import Machine

__all__ = ["alter"]


def alter(machine: Machine, what: str, value: Any) -> None:
    """Let a machine be so.

    Args:
        machine: Which one.
        what: Of `ALTERATIONS`.
        value: What it is from now on.
    """
    if what not in ALTERATIONS:
        raise ValueError(f"no alteration {what!r}; there are {sorted(ALTERATIONS)}")
    machine.profile = copy.deepcopy(machine.profile)  # Until now it is its set's.
    ALTERATIONS[what](machine, value)
    machine.etag += 1


def _image(machine: Machine, value: str) -> None:
    machine.profile["storageProfile"]["imageReference"] = {"id": value}


def _size(machine: Machine, value: str) -> None:
    machine.size = value


def _disk(machine: Machine, value: int) -> None:
    storage = machine.profile["storageProfile"]
    storage.setdefault("dataDisks", []).append({"lun": value, "createOption": "Attach"})


def _extension(machine: Machine, value: str) -> None:
    machine.data.setdefault("extensions", []).append(value)


def _tag(machine: Machine, value: str) -> None:
    name, _, said = value.partition("=")
    machine.tags[name] = said


def _model(machine: Machine, _: Any) -> None:
    machine.model -= 1


def _own(machine: Machine, _: Any) -> None:
    group = machine.group
    assert group is not None
    network = group.profile["networkProfile"]
    machine.nics = copy.deepcopy(network["networkInterfaceConfigurations"])


def _osdisk(machine: Machine, value: str) -> None:
    disks = machine.id.partition("/virtualMachine")[0].rpartition("/providers/")[0]
    place = f"{disks}/providers/Microsoft.Compute/disks/{value}"
    storage = machine.profile["storageProfile"]
    storage["osDisk"] = {**storage.get("osDisk", {}), "managedDisk": {"id": place}}


def _userdata(machine: Machine, value: str) -> None:
    machine.profile["userData"] = value


def _hide(machine: Machine, _: Any) -> None:
    machine.profile["storageProfile"].pop("imageReference", None)


ALTERATIONS = {
    "disk": _disk,
    "extension": _extension,
    "hide": _hide,
    "image": _image,
    "model": _model,
    "osdisk": _osdisk,
    "own": _own,
    "size": _size,
    "tag": _tag,
    "userdata": _userdata,
}
