"""Everything there is: one subscription in one region."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.chances import Chances
from tests.emulators.clock import Clock
from tests.emulators.faults import Fault
from tests.emulators.ledger import Ledger

from . import ids
from .calls import Answer, Call
from .errors import ArmError, NotEmulated, no_group, no_resource
from .images import Images
from .laws import Laws
from .machines import Lives, Machine
from .monitoring import Monitoring
from .network import Network
from .operations import Operations
from .removal import Removal
from .repairs import Repairs
from .scaling import Scaling
from .sets import KIND, ScaleSet
from .store import Store
from .supply import Supply
from .throttling import Throttling
from .upgrades import Upgrades


class World:
    """One subscription in one region, and what the test wants to happen in it.

    Args:
        location: the region.
        token: what callers have to show.
    """

    def __init__(self, location: str = "westeurope", token: str = "") -> None:
        self.location, self.token = location, token
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """As on the first day."""
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.laws, self.chances = Laws(), Chances()
        self.store = Store()
        self.sets: dict[str, ScaleSet] = {}
        self.vms: dict[str, Machine] = {}
        self.places: dict[str, dict[str, Any]] = {}
        self.samples: dict[tuple[str, str], list[tuple[float, list[float]]]] = {}
        self.denied: set[str] = set()
        self.failing: dict[str, Fault] = {}
        self.lives, self.removal = Lives(self), Removal(self)
        self.operations, self.scaling = Operations(self), Scaling(self)
        self.supply, self.network, self.images = Supply(self), Network(self), Images(self)
        self.upgrades, self.repairs = Upgrades(self), Repairs(self)
        self.monitoring = Monitoring(self)
        self.throttling = Throttling(self.clock.now, lambda: self.laws.minute)
        self.clock.after(self.laws.patrol, self.repairs.look)

    def machines(self) -> list[Machine]:
        """All of them."""
        uniform = [m for g in self.sets.values() if not g.flexible for m in g.members.values()]
        return [*uniform, *self.vms.values()]

    def place(self, group: str) -> str:
        """A resource group, as it is spelled.

        Raises:
            ArmError: 404 `ResourceGroupNotFound`.
        """
        if group.lower() not in self.places:
            raise no_group(group)
        return str(self.places[group.lower()]["name"])

    def find_group(self, place: str, name: str) -> ScaleSet | None:
        """A scale set, or None."""
        path = ids.resource_id(place, "Microsoft.Compute", "virtualMachineScaleSets", name)
        return self.sets.get(ids.key(path))

    def group(self, call: Call) -> ScaleSet:
        """The scale set that a call's path names.

        Raises:
            ArmError: 404 `ResourceNotFound`; below a set that is not there, `ParentResourceNotFound`.
        """
        self.place(call.group)
        name = call.of("virtualMachineScaleSets")
        found = self.find_group(call.group, name)
        if found is None:
            error = no_resource(KIND, name, call.group)
            if "virtualmachines" in call.at:
                said = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."  # fmt: skip
                error = ArmError("ParentResourceNotFound", said, 404)
            raise error
        return found

    def permitted(self, call: Call) -> None:
        """Refuse what the caller may not do.

        "Troubleshoot Azure RBAC": `AuthorizationFailed`, 403
        (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting).
        """
        if call.at.get("subscriptions", "").lower() != ids.SUBSCRIPTION:
            said = f"The subscription '{call.at.get('subscriptions')}' could not be found."
            raise ArmError("SubscriptionNotFound", said, 404)
        for pattern in self.denied:
            if fnmatchcase(call.action.lower(), pattern.lower()):
                said = (
                    f"The client 'tests' with object id 'tests' does not have authorization to perform "
                    f"action '{call.action}' over scope '{call.path}' or the scope is invalid. If "
                    "access was recently granted, please refresh your credentials."
                )
                raise ArmError("AuthorizationFailed", said, 403)

    def page(self, call: Call, items: list[Any]) -> Answer:
        """A page of a list, and the absolute address of the next one."""
        start = call.query.get("$skiptoken", "0")
        if not start.isdigit():
            raise NotEmulated(f"$skiptoken {start!r}")
        end = int(start) + self.laws.page
        said: dict[str, Any] = {"value": items[int(start) : end]}
        if end < len(items):
            query = {"api-version": call.version, **call.query, "$skiptoken": str(end)}
            said["nextLink"] = f"{call.base}{call.path}?" + "&".join(
                f"{name}={value}".replace(" ", "%20") for name, value in query.items()
            )
        return Answer(200, said)
