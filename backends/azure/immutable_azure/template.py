"""How the servers of a new fleet are launched, in words: settings to a model. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from attrs import field, frozen

from immutable.toolkit.settings import check_settings, is_number, named, words

__all__ = ["FleetTemplate"]

_KNOWN = {
    "location": "westeurope",
    "subnet": "the long name of a subnet: /subscriptions/…/subnets/NAME",
    "vm_size": "Standard_D2s_v5",
    "admin_user": "the name of the administrator (default azureuser)",
    "ssh_key": "a public key: ssh-ed25519 AAAA…",
    "pool": "the long name of a load balancer's backend pool",
    "zones": "1, 2, 3",
    "orchestration": "uniform or flexible (default uniform)",
    "disk": "the OS disk's kind, such as Premium_LRS (default StandardSSD_LRS)",
    "identities": "long names of user-assigned identities",
    "health_port": "the port that the health extension asks (default: no extension)",
    "health_path": "the path that it asks, over http (default: it only connects)",
    "maximum": "the most servers that the fleet may ever have (default: no bound)",
    "security_group": "the long name of a network security group",
}
_TAG = "tag."
_LONG = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+(/[^/]+){2,}", re.IGNORECASE
)


@frozen
class FleetTemplate:
    """How the servers of a fleet are launched.

    Attributes:
        location: The region.
        subnet: Where, the long name of a subnet.
        vm_size: What.
        ssh_key: Who may log in.
        admin_user: As whom.
        pool: Which backend pool they join; empty for none.
        zones: In which zones; empty for a set without zones.
        flexible: Whether they are virtual machines of their own.
        disk: The kind of the OS disk.
        identities: Whose permissions they have.
        health_port: The port that the health extension asks; None for no extension.
        health_path: What it asks for.
        maximum: How many there may ever be; None for no bound.
        security_group: Who may reach them; empty for as the subnet says.
        tags: Tags of set and servers.
    """

    location: str
    subnet: str
    vm_size: str
    ssh_key: str
    admin_user: str = "azureuser"
    pool: str = ""
    zones: tuple[str, ...] = ()
    flexible: bool = False
    disk: str = "StandardSSD_LRS"
    identities: tuple[str, ...] = ()
    health_port: int | None = None
    health_path: str = ""
    maximum: int | None = None
    security_group: str = ""
    tags: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Self:
        """Return what a fleet's settings say.

        Raises:
            Invalid: They make no sense; names all that is wrong.
        """
        check_settings(settings, _KNOWN, _CHECKS, _TAG)
        port, most = settings.get("health_port", ""), settings.get("maximum", "")
        return cls(
            location=settings["location"],
            subnet=settings["subnet"],
            vm_size=settings["vm_size"],
            ssh_key=settings["ssh_key"],
            admin_user=settings.get("admin_user") or "azureuser",
            pool=settings.get("pool", ""),
            disk=settings.get("disk") or "StandardSSD_LRS",
            health_path=settings.get("health_path", ""),
            security_group=settings.get("security_group", ""),
            zones=words(settings.get("zones", "")),
            flexible=settings.get("orchestration", "uniform") == "flexible",
            identities=words(settings.get("identities", "")),
            health_port=int(port) if port else None,
            maximum=int(most) if most else None,
            tags=named(settings, _TAG),
        )

    def model(self, name: str) -> dict[str, Any]:
        """Return the model of an empty set of that name, without image and our tags."""
        said: dict[str, Any] = {
            "orchestrationMode": "Flexible" if self.flexible else "Uniform",
            "virtualMachineProfile": self._profile(name),
        }
        if self.flexible:
            said["platformFaultDomainCount"] = 1
        else:
            said |= {"upgradePolicy": {"mode": "Manual"}, "overprovision": False}
            said["singlePlacementGroup"] = False
        body: dict[str, Any] = {
            "location": self.location,
            "sku": {"name": self.vm_size, "tier": "Standard"},
            "properties": said,
            "tags": dict(self.tags),
        }
        if self.zones:
            body["zones"] = list(self.zones)
        if self.identities:
            body["identity"] = {
                "type": "UserAssigned",
                "userAssignedIdentities": {each: {} for each in self.identities},
            }
        return body

    def _profile(self, name: str) -> dict[str, Any]:
        keys = [{"path": f"/home/{self.admin_user}/.ssh/authorized_keys", "keyData": self.ssh_key}]
        profile: dict[str, Any] = {
            "storageProfile": {
                "osDisk": {
                    "createOption": "FromImage",
                    "managedDisk": {"storageAccountType": self.disk},
                }
            },
            "osProfile": {
                # "the computer name prefix": 1 to 15 characters, letters, digits and hyphens.
                "computerNamePrefix": re.sub(r"[^A-Za-z0-9-]", "-", name)[:9],
                "adminUsername": self.admin_user,
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {"publicKeys": keys},
                },
            },
            "networkProfile": {"networkInterfaceConfigurations": [self._interface()]},
        }
        if self.flexible:
            profile["networkProfile"]["networkApiVersion"] = "2022-11-01"
        if self.health_port is not None:
            profile["extensionProfile"] = {"extensions": [self._health()]}
        return profile

    def _interface(self) -> dict[str, Any]:
        port: dict[str, Any] = {"subnet": {"id": self.subnet}}
        if self.pool:
            port["loadBalancerBackendAddressPools"] = [{"id": self.pool}]
        inside: dict[str, Any] = {
            "primary": True,
            "ipConfigurations": [{"name": "ip", "properties": port}],
        }
        if self.security_group:
            inside["networkSecurityGroup"] = {"id": self.security_group}
        return {"name": "nic", "properties": inside}

    def _health(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"protocol": "tcp", "port": self.health_port}
        if self.health_path:
            asked |= {"protocol": "http", "requestPath": self.health_path}
        return {
            "name": "HealthExtension",
            "properties": {
                "publisher": "Microsoft.ManagedServices",
                "type": "ApplicationHealthLinux",
                "typeHandlerVersion": "1.0",
                "autoUpgradeMinorVersion": True,
                "settings": asked,
            },
        }


def _long(text: str) -> bool:
    return bool(_LONG.fullmatch(text))


def _counts(text: str) -> bool:
    return is_number(text, least=1)


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "location": lambda text: bool(re.fullmatch(r"[a-z0-9]+", text)),
    "subnet": _long,
    "vm_size": lambda text: bool(re.fullmatch(r"\w+", text)),
    "ssh_key": lambda text: text.startswith(("ssh-", "ecdsa-")) and "PRIVATE" not in text,
    "pool": lambda text: not text or _long(text),
    "zones": lambda text: all(each.isdigit() for each in words(text)),
    "orchestration": lambda text: text in ("", "uniform", "flexible"),
    "identities": lambda text: all(_long(each) for each in words(text)),
    "health_port": _counts,
    "maximum": _counts,
    "security_group": lambda text: not text or _long(text),
}
