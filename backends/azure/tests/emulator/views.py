"""Sets and machines as they are told, in the shapes that were recorded.

Recorded: kubernetes-sigs/cloud-provider-azure, pkg/azclient/virtualmachinescalesetclient,
virtualmachinescalesetvmclient and virtualmachineclient, testdata/AZURECLOUD.yaml. Instance views
follow the REST reference: no recording has a `vmHealth`.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from . import ids
from .errors import ArmError
from .machines import Machine, health, watcher
from .operations import stamp
from .sets import KIND, ScaleSet, without_secrets

if TYPE_CHECKING:
    from .world import World


def etag(number: int) -> str:
    """As Compute writes it: a number in quotes."""
    return f'"{number}"'


def told_set(world: World, group: ScaleSet, *, user_data: bool = False) -> dict[str, Any]:
    """A scale set."""
    said = copy.deepcopy(group.doc)
    for name in ("id", "name", "type", "etag"):
        said.pop(name, None)
    said |= {"name": group.name, "id": group.id, "type": KIND, "etag": etag(group.etag)}
    inside = said["properties"]
    if "virtualMachineProfile" in inside:
        inside["virtualMachineProfile"] = without_secrets(group.profile, user_data=user_data)
        inside["virtualMachineProfile"]["timeCreated"] = group.made
    inside |= {
        "provisioningState": set_state(world, group),
        "uniqueId": group.unique,
        "timeCreated": group.made,
    }
    if identity := said.get("identity"):
        _identity(identity, group.principal)
    return said


def _identity(identity: dict[str, Any], principal: str) -> None:
    if "systemassigned" in identity.get("type", "").lower().replace(" ", ""):
        identity |= {"principalId": principal, "tenantId": "00000000-0000-0000-0000-00000000beef"}
    for name in identity.get("userAssignedIdentities") or {}:
        identity["userAssignedIdentities"][name] = {"principalId": principal, "clientId": principal}


def set_state(world: World, group: ScaleSet) -> str:
    """Its provisioning state: by what runs, else by how the last change ended."""
    if group.deleting:
        return "Deleting"
    running = world.operations.on(group.id)
    if any(each.name.endswith("create_or_update") for each in running) and group.creating:
        return "Creating"
    if running:
        return "Updating"
    return "Failed" if group.failed else "Succeeded"


def told_member(
    world: World, machine: Machine, *, view: bool = False, user_data: bool = False
) -> dict[str, Any]:
    """A machine of a Uniform set."""
    group = machine.group
    assert group is not None
    said: dict[str, Any] = {
        "name": machine.name,
        "id": machine.id,
        "type": f"{KIND}/virtualMachines",
        "location": world.location,
        "instanceId": str(machine.number),
        "sku": {"name": machine.size, "tier": "Standard"},
        "etag": etag(machine.etag),
        "properties": {
            "latestModelApplied": machine.model == group.model,
            "modelDefinitionApplied": (
                "VirtualMachine" if machine.nics is not None else "VirtualMachineScaleSet"
            ),
            "networkProfileConfiguration": {
                "networkInterfaceConfigurations": world.network.configurations(machine)
            },
            "provisioningState": machine.provisioning,
            "hardwareProfile": {"vmSize": machine.size},
            "resilientVMDeletionStatus": "Disabled",
            "vmId": machine.vm_id,
            **_common(world, machine, user_data),
            "networkProfile": {
                "networkInterfaces": [{"id": nic} for nic in world.network.nic_ids(machine)]
            },
            "timeCreated": stamp(world, machine.launched),
        },
    }
    if machine.tags:
        said["tags"] = dict(machine.tags)
    if machine.zone:
        said["zones"] = [machine.zone]
    if machine.protection:
        said["properties"]["protectionPolicy"] = dict(machine.protection)
    if view:
        said["properties"]["instanceView"] = instance_view(world, machine)
    return said


def _common(world: World, machine: Machine, user_data: bool) -> dict[str, Any]:
    kept = ("osProfile", "storageProfile", "userData")
    mine = {name: machine.profile[name] for name in kept if name in machine.profile}
    profile = without_secrets(mine, user_data=user_data)
    system = dict(profile.get("osProfile", {}))
    system.pop("computerNamePrefix", None)
    system["computerName"] = _computer(machine)
    storage = dict(profile.get("storageProfile", {}))
    storage["osDisk"] = {"createOption": "FromImage", **storage.get("osDisk", {})}
    storage["osDisk"]["name"] = _disk(machine)
    storage.setdefault("dataDisks", [])
    if exact := world.images.exact(machine.profile):
        storage["imageReference"] = {**storage["imageReference"], "exactVersion": exact}
    out = {"storageProfile": storage, "osProfile": system}
    if user_data and "userData" in profile:
        out["userData"] = profile["userData"]
    return out


def _disk(machine: Machine) -> str:
    return f"{machine.name}_OsDisk_1_{machine.vm_id.replace('-', '')}"


def _computer(machine: Machine) -> str:
    system = machine.profile.get("osProfile", {})
    prefix = system.get("computerNamePrefix", machine.name)
    return str(system.get("computerName", f"{prefix}{machine.number:06}"))


def told_vm(
    world: World, machine: Machine, *, view: bool = False, user_data: bool = False
) -> dict[str, Any]:
    """A virtual machine of its own, of a Flexible set or of none."""
    said: dict[str, Any] = {
        "name": machine.name,
        "id": machine.id,
        "type": "Microsoft.Compute/virtualMachines",
        "location": world.location,
        "etag": etag(machine.etag),
        "properties": {
            "hardwareProfile": {"vmSize": machine.size},
            "provisioningState": machine.provisioning,
            "vmId": machine.vm_id,
            **_common(world, machine, user_data),
            "networkProfile": {
                "networkInterfaces": [
                    {"id": nic, "properties": {"deleteOption": "Delete", "primary": True}}
                    for nic in world.network.nic_ids(machine)
                ]
            },
            "timeCreated": stamp(world, machine.launched),
        },
    }
    if machine.tags:
        said["tags"] = dict(machine.tags)
    if machine.zone:
        said["zones"] = [machine.zone]
    if machine.group is not None:
        said["properties"]["virtualMachineScaleSet"] = {"id": machine.group.id}
    if view:
        said["properties"]["instanceView"] = instance_view(world, machine)
    return said


def instance_view(world: World, machine: Machine) -> dict[str, Any]:
    """What a machine is doing.

    "Virtual Machine Scale Set VMs - Get Instance View"
    (https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms/get-instance-view).
    """
    said: dict[str, Any] = {"statuses": _statuses(world, machine)}
    if machine.group is not None and not machine.group.flexible:
        said |= {"platformUpdateDomain": machine.number % 5, "platformFaultDomain": 0}
        said["placementGroupId"] = ids.steady(machine.group.unique, "placement")
    if machine.runs:
        ready = status("ProvisioningState/succeeded", "Ready", stamp(world))
        said |= {
            "computerName": _computer(machine),
            "osName": "linux",
            "osVersion": "1",
            "hyperVGeneration": "V2",
            "disks": [{"name": _disk(machine), "statuses": [dict(ready)]}],
        }
        said["vmAgent"] = {
            "vmAgentVersion": "2.9.1.1",
            "statuses": [ready],
            "extensionHandlers": [],
        }
        if watcher(machine):
            name = "Microsoft.ManagedServices.ApplicationHealthLinux"
            said["extensions"] = [
                {"name": "HealthExtension", "type": name, "statuses": [dict(ready)]}
            ]
    for name in machine.data.get("extensions", ()):
        said.setdefault("extensions", []).append({"name": name, "statuses": []})
    state = health(machine, world.clock.now(), world.laws.scale)
    if state is not None:
        when = stamp(world, machine.changed_at)
        said["vmHealth"] = {"status": status(f"HealthState/{state}", f"The VM is reporting itself as {state}.", when)}  # fmt: skip
    return said


def status(code: str, words: str, time: str | None = None) -> dict[str, Any]:
    """A line of an instance view."""
    level = "Error" if "failed" in code.lower() else "Info"
    said = {"code": code, "level": level, "displayStatus": words}
    return said | ({"time": time} if time else {})


def _statuses(world: World, machine: Machine) -> list[dict[str, Any]]:
    state = machine.provisioning.lower()
    if machine.error is not None:
        failed = status(f"ProvisioningState/failed/{machine.error.code}", "Provisioning failed", stamp(world, machine.changed_at or machine.launched))  # fmt: skip
        told = [failed | {"message": machine.error.message}]
    else:
        words = {"succeeded": "Provisioning succeeded"}.get(state, machine.provisioning)
        told = [status(f"ProvisioningState/{state}", words, stamp(world, machine.changed_at or machine.launched))]  # fmt: skip
    if machine.power is not None:
        told.append(status(f"PowerState/{machine.power}", f"VM {machine.power}"))
    return told


def set_view(world: World, group: ScaleSet) -> dict[str, Any]:
    """A scale set's instance view: how many members are in which state.

    "Virtual Machine Scale Sets - Get Instance View"
    (https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/get-instance-view).
    """
    count: Counter[str] = Counter()
    for member in group.members.values():
        count.update(each["code"] for each in _statuses(world, member))
        if state := health(member, world.clock.now(), world.laws.scale):
            count[f"HealthState/{state}"] += 1
    said: dict[str, Any] = {
        "virtualMachine": {
            "statusesSummary": [{"code": code, "count": n} for code, n in sorted(count.items())]
        },
        "extensions": [],
        "statuses": [_set_status(world, group)],
    }
    if group.repairs is not None:
        said["orchestrationServices"] = [
            {"serviceName": "AutomaticRepairs", "serviceState": group.repairs}
        ]
    return said


def _set_status(world: World, group: ScaleSet) -> dict[str, Any]:
    state = set_state(world, group)
    failed: ArmError | None = group.failed
    if state == "Failed" and failed is not None:
        said = status(f"ProvisioningState/failed/{failed.code}", "Provisioning failed")
        return said | {"message": failed.message, "time": stamp(world)}
    return status(
        f"ProvisioningState/{state.lower()}", f"Provisioning {state.lower()}", stamp(world)
    )
