"""A stage for a test: a resource group, a network, a load balancer, images, sets."""

from __future__ import annotations

from typing import Any

from . import ids
from .client import Emulator

HEALTH = {
    "name": "HealthExtension",
    "properties": {
        "publisher": "Microsoft.ManagedServices",
        "type": "ApplicationHealthLinux",
        "typeHandlerVersion": "1.0",
        "autoUpgradeMinorVersion": True,
        "settings": {"protocol": "http", "port": 80, "requestPath": "/"},
    },
}
"""The Application Health extension with binary states."""


class Stage:
    """What exists before a rollout.

    Args:
        emulator: where.
        group: the resource group.
    """

    def __init__(self, emulator: Emulator, group: str = "rg") -> None:
        self.emulator, self.place, self.location = emulator, group, emulator.location
        self.put(ids.group_id(group))
        self.network = self.id("Microsoft.Network", "virtualNetworks", "net")
        subnets = [{"name": "front", "properties": {"addressPrefix": "10.0.0.0/16"}}]
        space = {"addressPrefixes": ["10.0.0.0/8"]}
        self.put(self.network, properties={"addressSpace": space, "subnets": subnets})
        self.subnet = f"{self.network}/subnets/front"
        self.gallery = self.id("Microsoft.Compute", "galleries", "gallery")
        self.put(self.gallery, properties={})
        system = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2",
                  "identifier": {"publisher": "us", "offer": "web", "sku": "web"}}  # fmt: skip
        self.put(f"{self.gallery}/images/web", properties=system)
        self.source = self.id("Microsoft.Compute", "disks", "golden")

    def id(self, provider: str, *names: str) -> str:
        """The long name of something in the resource group."""
        return ids.resource_id(self.place, provider, *names)

    def put(self, path: str, **fields: Any) -> Any:
        """Make something, and wait until it is there."""
        return self.emulator.arm("PUT", path, {"location": self.location, **fields})

    def balancer(self, name: str = "front", pools: tuple[str, ...] = ("web",)) -> list[str]:
        """A load balancer with a rule and a probe for each pool; the pools' ids."""
        path = self.id("Microsoft.Network", "loadBalancers", name)
        front = f"{path}/frontendIPConfigurations/public"
        address = self.put(self.id("Microsoft.Network", "publicIPAddresses", name), sku={"name": "Standard"}, properties={"publicIPAllocationMethod": "Static"})  # fmt: skip
        rules = [
            {
                "name": pool,
                "properties": {
                    "frontendIPConfiguration": {"id": front},
                    "backendAddressPool": {"id": f"{path}/backendAddressPools/{pool}"},
                    "probe": {"id": f"{path}/probes/http"},
                    "protocol": "Tcp",
                    "frontendPort": 80 + index,
                    "backendPort": 80,
                },
            }
            for index, pool in enumerate(pools)
        ]
        probe = {"protocol": "Http", "port": 80, "requestPath": "/", "intervalInSeconds": 5, "numberOfProbes": 1}  # fmt: skip
        public = {"name": "public", "properties": {"publicIPAddress": {"id": address["id"]}}}
        self.put(
            path,
            sku={"name": "Standard"},
            properties={
                "frontendIPConfigurations": [public],
                "backendAddressPools": [{"name": pool} for pool in pools],
                "probes": [{"name": "http", "properties": probe}],
                "loadBalancingRules": rules,
            },
        )
        return [f"{path}/backendAddressPools/{pool}" for pool in pools]

    def image(self, version: str = "1.0.0", regions: tuple[str, ...] | None = None) -> str:
        """A version in the gallery, in this region or those that are named; its id."""
        path = f"{self.gallery}/images/web/versions/{version}"
        targets = [{"name": region} for region in regions or (self.location,)]
        storage = {"osDiskImage": {"source": {"id": self.source}}}
        self.put(path, properties={"publishingProfile": {"targetRegions": targets}, "storageProfile": storage})  # fmt: skip
        return path

    def model(
        self, size: int, image: str, *, pools: list[str] | None = None, flexible: bool = False,
        zones: tuple[str, ...] = ("1", "2", "3"), health: dict[str, Any] | None = HEALTH,
        **properties: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """What a set is made from."""
        port: dict[str, Any] = {"subnet": {"id": self.subnet}}
        if pools:
            port["loadBalancerBackendAddressPools"] = [{"id": pool} for pool in pools]
        nic = {"primary": True, "ipConfigurations": [{"name": "ip", "properties": port}]}
        profile: dict[str, Any] = {
            "storageProfile": {
                "imageReference": {"id": image},
                "osDisk": {"createOption": "FromImage", "managedDisk": {"storageAccountType": "Premium_LRS"}},
            },
            "osProfile": {"computerNamePrefix": "web", "adminUsername": "nobody", "linuxConfiguration": {"disablePasswordAuthentication": True}},
            "networkProfile": {"networkInterfaceConfigurations": [{"name": "nic", "properties": nic}]},
        }  # fmt: skip
        if flexible:
            profile["networkProfile"]["networkApiVersion"] = "2022-11-01"
        if health:
            profile["extensionProfile"] = {"extensions": [health]}
        said: dict[str, Any] = {"orchestrationMode": "Flexible" if flexible else "Uniform", "virtualMachineProfile": profile}  # fmt: skip
        if not flexible:
            said |= {"upgradePolicy": {"mode": "Manual"}, "overprovision": False, "singlePlacementGroup": False}  # fmt: skip
        return {
            "sku": {"name": "Standard_B2s", "capacity": size},
            **({"zones": list(zones)} if zones else {}),
            "properties": said | properties,
        }

    def group(
        self, name: str, size: int, image: str, *, tags: dict[str, str] | None = None, **words: Any
    ) -> str:
        """A set with all its members; its id."""
        path = self.id("Microsoft.Compute", "virtualMachineScaleSets", name)
        self.put(path, tags=tags or {}, **self.model(size, image, **words))
        return path
