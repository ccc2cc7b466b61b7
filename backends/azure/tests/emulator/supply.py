"""How much there is: zones, quotas of cores, sizes that are not to be had.

Allocation: "Troubleshoot allocation failures"
(https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure). Quotas:
"Resolve errors for resource quotas"
(https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-quota). Sizes:
"Resolve errors for SKU not available"
(https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-sku-not-available).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .errors import ArmError, invalid

if TYPE_CHECKING:
    from .machines import Machine
    from .world import World

SIZES: dict[str, tuple[int, int, str]] = {
    "Standard_B1s": (1, 1, "standardBSFamily"),
    "Standard_B2s": (2, 4, "standardBSFamily"),
    "Standard_D2s_v3": (2, 8, "standardDSv3Family"),
    "Standard_D4s_v3": (4, 16, "standardDSv3Family"),
    "Standard_D8s_v3": (8, 32, "standardDSv3Family"),
    "Standard_D2s_v5": (2, 8, "standardDSv5Family"),
    "Standard_D4s_v5": (4, 16, "standardDSv5Family"),
    "Standard_F2s_v2": (2, 4, "standardFSv2Family"),
    "Standard_D2ps_v5": (2, 8, "standardDPSv5Family"),
}
"""Cores, memory in GB, family: "Sizes for virtual machines in Azure"
(https://learn.microsoft.com/azure/virtual-machines/sizes/overview)."""

ZONES = ("1", "2", "3")


class Supply:
    """What can be had."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.capacity: dict[str, int] = {}
        self.quotas = {"cores": 1000, "virtualMachines": 25000, "virtualMachineScaleSets": 2500}
        self.quotas |= {family: 1000 for _, _, family in SIZES.values()}
        self.restricted: set[tuple[str, str]] = set()

    def known(self, size: str | None) -> None:
        """Refuse a size that nobody offers, or that can't be had here."""
        if size not in SIZES:
            raise invalid(f"The value {size} provided for the VM size is not valid.", "vmSize")
        if (size, "") in self.restricted:
            raise self.unavailable(size)

    def unavailable(self, size: str) -> ArmError:
        """A size that is sold out for this subscription."""
        said = (
            "The requested VM size for resource 'Following SKUs have failed for Capacity "
            f"Restrictions: {size}' is currently not available in location "
            f"'{self.world.location}'. Please try another size or deploy to a different location "
            "or different zone. See https://aka.ms/azureskunotavailable for details."
        )
        return ArmError("SkuNotAvailable", said, 409)

    def used(self) -> Counter[str]:
        """How much of each quota is used."""
        used: Counter[str] = Counter()
        for machine in self.world.machines():
            cores, _, family = SIZES[machine.size]
            used["cores"] += cores
            used[family] += cores
            used["virtualMachines"] += 1
        used["virtualMachineScaleSets"] = len(self.world.sets)
        return used

    def over_quota(self, size: str, count: int) -> ArmError | None:
        """Why so many more machines are too many; None if they are not."""
        cores, _, family = SIZES[size]
        used = self.used()
        for name, more in ((family, cores * count), ("cores", cores * count)):
            limit = self.quotas[name]
            if count > 0 and used[name] + more > limit:
                said = (
                    f"Operation could not be completed as it results in exceeding approved {name} "
                    f"Cores quota. Additional details - Deployment Model: Resource Manager, "
                    f"Location: {self.world.location}, Current Limit: {limit}, Current Usage: "
                    f"{used[name]}, Additional Required: {more}, (Minimum) New Limit Required: "
                    f"{used[name] + more}."
                )
                return ArmError("OperationNotAllowed", said, 409)
        return None

    def room(self, zone: str, size: str) -> bool:
        """Whether one more fits into a zone; "" for the region without zones."""
        if (size, zone) in self.restricted:
            return False
        held = sum(1 for m in self.world.machines() if m.zone == zone and not _unplaced(m))
        return held < self.capacity.get(zone, 10**9)

    @staticmethod
    def short(zone: str) -> ArmError:
        """There is no room."""
        if zone:
            said = (
                f"Allocation failed. We do not have sufficient capacity for the requested VM size "
                f"in this zone. Read more about improving likelihood of allocation success at "
                f"http://aka.ms/allocation-guidance. Zone: {zone}."
            )
            return ArmError("ZonalAllocationFailed", said)
        said = (
            "Allocation failed. We do not have sufficient capacity for the requested VM size in "
            "this region. Read more about improving likelihood of allocation success at "
            "http://aka.ms/allocation-guidance"
        )
        return ArmError("AllocationFailed", said)


def _unplaced(machine: Machine) -> bool:
    """Whether it takes no room: it was never allocated, or was given back."""
    if machine.power == "deallocated":
        return True
    return machine.error is not None and machine.error.code.endswith("AllocationFailed")
