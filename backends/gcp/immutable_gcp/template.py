"""How the servers of a new fleet are launched, in the words of `Revision.template`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from attrs import field, frozen

from immutable.toolkit.settings import check_settings, is_number, named, words

__all__ = ["FleetTemplate"]

_TAG = "label."
_KNOWN = {
    "machine_type": "machine_type=e2-medium",
    "network": "network=global/networks/NAME; the default network if neither is given",
    "subnetwork": "subnetwork=regions/REGION/subnetworks/NAME",
    "backend_service": "backend_service=NAME, or regions/REGION/backendServices/NAME",
    "health_check": "health_check=global/healthChecks/NAME, which decides who is repaired",
    "initial_delay": "initial_delay=300, seconds before that check counts",
    "port": "port=8080, where servers listen",
    "port_name": "port_name=http, as the backend service calls it",
    "disk_gb": "disk_gb=20",
    "disk_type": "disk_type=pd-balanced",
    "service_account": "service_account=NAME@PROJECT.iam.gserviceaccount.com",
    "public_ip": "public_ip=true or false",
    "network_tags": "network_tags=web,blue",
    "zones": "zones=europe-west1-b,europe-west1-c, of a regional fleet",
    "spread": "spread=EVEN, BALANCED, ANY or ANY_SINGLE_ZONE, of a regional fleet",
    "redistribute": "redistribute=true, which autoscaling needs in a region, or false",
    "maximum": "maximum=100, the most servers",
}
_NUMBERS = ("disk_gb", "initial_delay", "maximum", "port")
_FLAGS = ("public_ip", "redistribute")
_SPREADS = ("EVEN", "BALANCED", "ANY", "ANY_SINGLE_ZONE")
_MACHINE = re.compile(r"[a-z][a-z0-9-]*")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@frozen
class FleetTemplate:
    """How the servers of a fleet are launched.

    Attributes:
        machine_type: Such as ``e2-medium``.
        network: A link; empty for the default one.
        subnetwork: A link; empty for the network's own.
        backend_service: Which one sends them requests; empty for none.
        health_check: Which one decides who is repaired; empty for none.
        initial_delay: Seconds after a start before that counts.
        port: Where they listen.
        port_name: How the backend service calls that.
        disk_gb: The boot disk's size; 0 for the image's.
        disk_type: The boot disk's type; empty for Google's default.
        service_account: Whose permissions they have; empty for none.
        public_ip: Whether they get a public address.
        network_tags: For firewall rules.
        zones: Where, in a region; empty for Google's choice.
        spread: How evenly, in a region.
        redistribute: Whether a regional group evens out its zones by ending members; a rollout
            switches that off while it holds the group. Google's autoscaling needs it.
        maximum: How many there may ever be; None for any number.
        labels: Labels of the servers.
    """

    machine_type: str
    network: str = ""
    subnetwork: str = ""
    backend_service: str = ""
    health_check: str = ""
    initial_delay: int = 300
    port: int = 80
    port_name: str = "http"
    disk_gb: int = 0
    disk_type: str = ""
    service_account: str = ""
    public_ip: bool = False
    network_tags: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    spread: str = ""
    redistribute: bool = False
    maximum: int | None = None
    labels: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Self:
        """Return what a fleet's settings say.

        Raises:
            Invalid: They make no sense; names all that is wrong.
        """
        check_settings(settings, _KNOWN, _CHECKS, _TAG, lambda name: bool(_LABEL.fullmatch(name)))
        plain = {k: v for k, v in settings.items() if not k.startswith(_TAG)}
        given: dict[str, Any] = dict(plain)
        given |= {name: int(plain[name]) for name in _NUMBERS if name in plain}
        given |= {n: words(plain[n]) for n in ("network_tags", "zones") if n in plain}
        given |= {name: plain[name] == "true" for name in _FLAGS if name in plain}
        return cls(labels=named(settings, _TAG), **given)

    def properties(self, image: str) -> dict[str, Any]:
        """Return the properties of its instance template."""
        boot: dict[str, Any] = {"source_image": image}
        if self.disk_gb:
            boot["disk_size_gb"] = self.disk_gb
        if self.disk_type:
            boot["disk_type"] = self.disk_type
        card: dict[str, Any] = {}
        if self.subnetwork:
            card["subnetwork"] = self.subnetwork
        if self.network or not self.subnetwork:
            card["network"] = self.network or "global/networks/default"
        if self.public_ip:
            card["access_configs"] = [{"type_": "ONE_TO_ONE_NAT", "name": "External NAT"}]
        told: dict[str, Any] = {
            "machine_type": self.machine_type,
            "disks": [{"boot": True, "auto_delete": True, "initialize_params": boot}],
            "network_interfaces": [card],
            "labels": dict(self.labels),
        }
        if self.network_tags:
            told["tags"] = {"items": list(self.network_tags)}
        if self.service_account:
            scopes = ["https://www.googleapis.com/auth/cloud-platform"]
            told["service_accounts"] = [{"email": self.service_account, "scopes": scopes}]
        return told

    def group(self, regional: bool, project: str) -> dict[str, Any]:
        """Return the settings of its group."""
        told: dict[str, Any] = {"named_ports": [{"name": self.port_name, "port": self.port}]}
        if self.health_check:
            told["auto_healing_policies"] = [
                {"health_check": self.health_check, "initial_delay_sec": self.initial_delay}
            ]
        policy: dict[str, Any] = {}
        if self.zones:
            where = f"projects/{project}/zones"
            policy["zones"] = [{"zone": f"{where}/{zone}"} for zone in self.zones]
        if self.spread:
            policy["target_shape"] = self.spread
        if policy:
            told["distribution_policy"] = policy
        update: dict[str, Any] = {"type_": "OPPORTUNISTIC"}
        if regional:
            how = "PROACTIVE" if self.redistribute else "NONE"
            update["instance_redistribution_type"] = how
        return told | {"update_policy": update}


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "machine_type": lambda text: bool(_MACHINE.fullmatch(text)),
    **dict.fromkeys(_FLAGS, lambda text: text in ("", "true", "false")),
    "spread": lambda text: text in ("", *_SPREADS),
    **dict.fromkeys(_NUMBERS, is_number),
}
