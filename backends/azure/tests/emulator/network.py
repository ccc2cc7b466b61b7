"""Network interfaces of machines, and which pools they are in.

A set's machines are in the pools that its network profile names; a machine may have a configuration
of its own (PUT of the machine, or of its network interface). "Azure Load Balancer backend pool
management" (https://learn.microsoft.com/azure/load-balancer/backend-pool-management).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import ids
from .machines import Machine
from .store import Resource

if TYPE_CHECKING:
    from .world import World

NIC = "Microsoft.Network/networkInterfaces"
USUAL_NIC = {
    "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
    "enableAcceleratedNetworking": False,
    "vnetEncryptionSupported": False,
    "enableIPForwarding": False,
    "disableTcpStateTracking": False,
    "hostedWorkloads": [],
    "tapConfigurations": [],
    "nicType": "Standard",
    "allowPort25Out": True,
    "defaultOutboundConnectivityEnabled": False,
    "auxiliaryMode": "None",
    "auxiliarySku": "None",
}
"""Recorded; some of it is in no document."""

Port = tuple[str, list[str]]
"""The id of an IP configuration, and the pools that it is in."""


class Network:
    """What connects machines with pools."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.admin: dict[tuple[str, str], str] = {}
        self.addresses = 3

    def plug(self, machine: Machine) -> None:
        """Make the network interfaces of a machine of a Flexible set."""
        made = []
        assert machine.group is not None
        for conf in _configurations(machine.profile):
            name = f"{conf['name']}-{ids.steady(machine.id, conf['name'])[:8]}"
            path = ids.resource_id(
                machine.group.place, "Microsoft.Network", "networkInterfaces", name
            )
            doc = {"location": self.world.location, "properties": copy.deepcopy(conf["properties"])}
            self.world.store.put(path, doc)
            made.append({"id": path, "properties": {"deleteOption": "Delete"}})
        machine.data["networkInterfaces"] = made

    def unplug(self, machine: Machine) -> None:
        """Remove those that go with the machine, and what a pool says of them.

        A pool's addresses are IP configurations of network interfaces that exist
        (https://learn.microsoft.com/azure/load-balancer/backend-pool-management).
        """
        gone = tuple(f"{ids.key(nic)}/" for nic in self.nic_ids(machine))
        for nic in machine.data.get("networkInterfaces", []):
            if (nic.get("properties") or {}).get("deleteOption") == "Delete":
                self.world.store.pop(nic["id"])
        for key in [key for key in self.admin if key[1].startswith(gone)]:
            del self.admin[key]

    def configurations(self, machine: Machine) -> list[dict[str, Any]]:
        """Of a machine of a Uniform set: its own, or the profile's."""
        return copy.deepcopy(_own(machine))

    def nic_ids(self, machine: Machine) -> list[str]:
        """The long names of a machine's network interfaces."""
        if "networkInterfaces" in machine.data:
            return [nic["id"] for nic in machine.data["networkInterfaces"]]
        return [f"{machine.id}/networkInterfaces/{c['name']}" for c in _own(machine)]

    def ports(self, machine: Machine) -> list[Port]:
        """A machine's IP configurations with their pools."""
        if "networkInterfaces" in machine.data:
            nics = [(nic, self.world.store.find(nic)) for nic in self.nic_ids(machine)]
            told = [(nic, found.properties) for nic, found in nics if found is not None]
        else:
            told = [
                (f"{machine.id}/networkInterfaces/{conf['name']}", conf.get("properties", {}))
                for conf in _own(machine)
            ]
        return [port for nic, properties in told for port in _ports(nic, properties)]

    def members(self, pool: str) -> list[tuple[Machine, str]]:
        """Machines in a pool, with the IP configuration by which they are."""
        return [
            (machine, port)
            for machine in self.world.machines()
            for port, pools in self.ports(machine)
            if ids.key(pool) in {ids.key(each) for each in pools}
        ]

    def in_pools(self, machine: Machine) -> list[str]:
        """Names of the pools that a machine is in."""
        return sorted(
            {pool.rsplit("/", 1)[1] for _, pools in self.ports(machine) for pool in pools}
        )

    def owner(self, nic: str) -> Machine | None:
        """Whose network interface it is."""
        return next(
            (m for m in self.world.machines() if ids.key(nic) in map(ids.key, self.nic_ids(m))),
            None,
        )

    def told_nic(self, nic: Resource) -> dict[str, Any]:
        """A network interface, with the address that each of its configurations has."""
        said = copy.deepcopy(nic.doc)
        said |= {"name": nic.name, "id": nic.id, "type": NIC, "etag": nic.etag, "kind": "Regular"}
        inside = said.setdefault("properties", {})
        for name, value in USUAL_NIC.items():
            inside.setdefault(name, copy.deepcopy(value))
        inside |= {"provisioningState": nic.state, "resourceGuid": nic.guid}
        for index, conf in enumerate(inside.get("ipConfigurations", [])):
            path = f"{nic.id}/ipConfigurations/{conf['name']}"
            conf |= {"id": path, "etag": nic.etag, "type": f"{NIC}/ipConfigurations"}
            conf.setdefault("properties", {}).setdefault("primary", index == 0)
            conf["properties"] |= {
                "provisioningState": "Succeeded",
                "privateIPAddress": address(path),
            }
        if (owner := self.owner(nic.id)) is not None:
            inside["virtualMachine"] = {"id": owner.id}
        return said


def address(port: str) -> str:
    """A private address, the same for the same IP configuration."""
    number = int(ids.steady(ids.key(port))[:8], 16)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _own(machine: Machine) -> list[dict[str, Any]]:
    return machine.nics if machine.nics is not None else _configurations(machine.profile)


def _configurations(profile: dict[str, Any]) -> list[dict[str, Any]]:
    found = profile.get("networkProfile", {}).get("networkInterfaceConfigurations", [])
    return list(found)


def _ports(nic: str, properties: dict[str, Any]) -> list[Port]:
    return [
        (
            f"{nic}/ipConfigurations/{conf['name']}",
            [
                p["id"]
                for p in conf.get("properties", {}).get("loadBalancerBackendAddressPools") or []
            ],
        )
        for conf in properties.get("ipConfigurations", [])
    ]
