"""Everything there is: one project in one region, and what a test wants to happen in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.chances import Chances
from tests.emulators.clock import Clock, passing
from tests.emulators.faults import REFUSING, Fault, Named
from tests.emulators.ledger import Ledger

from .autoscaling import Autoscaling
from .bodies import Bodies
from .calls import Call
from .client import PROJECT
from .errors import GoogleError, OperationFailed, not_found
from .fronting import Fronts
from .groups import Groups
from .laws import Laws
from .lives import Lives
from .monitoring import Monitoring
from .operations import Operations
from .permissions import permission
from .places import furnish
from .probing import Probing
from .store import Store
from .supply import Supply


class World:
    """One project in one region.

    Args:
        region: others there are not.
        source: what time it is; None for the time that passes here.
    """

    def __init__(
        self, region: str = "europe-west1", source: Callable[[], float] | None = None
    ) -> None:
        self.region, self.source = region, source
        self.zones = [f"{region}-{letter}" for letter in "bcd"]
        self.lock = threading.RLock()
        self.bodies, self.fronts = Bodies(self), Fronts(self)
        self.reset()

    def reset(self) -> None:
        """As on the first day."""
        self.fronts.close()
        self.bodies.close()
        self.bodies, self.fronts = Bodies(self), Fronts(self)
        self.clock = Clock(self.source or passing())
        self.ledger = Ledger(self.clock, refusing=REFUSING | {"quota"})
        self.laws, self.chances = Laws(), Chances()
        self.store = Store(PROJECT, self.clock, self.chances)
        self.operations = Operations(self)
        self.lives = Lives(self)
        self.supply = Supply(self)
        self.probing = Probing(self)
        self.groups = Groups(self)
        self.autoscaling = Autoscaling(self)
        self.monitoring = Monitoring(self)
        self.denied: set[str] = set()
        self._doom: dict[str, OperationFailed] = {}
        furnish(self)

    def stamp(self, at: float) -> str:
        """A moment as Google writes it, in RFC 3339."""
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")

    def pause(self, seconds: float) -> None:
        """Let others in for a moment; whoever calls holds the lock once."""
        self.lock.release()
        try:
            time.sleep(seconds)
        finally:
            self.lock.acquire()
        self.clock.catch_up()

    def permitted(self, call: Call) -> None:
        """Refuse what the caller may not do, and places that there aren't.

        "Access control" (https://cloud.google.com/compute/docs/access/iam-permissions): 403
        `forbidden`, with the permission in the message.

        Raises:
            GoogleError: it may not, or there is no such project, zone or region.
        """
        if call.project and call.project != self.store.project:
            raise not_found(f"projects/{call.project}")
        zone, region = call.path.get("zone"), call.path.get("region")
        if zone and zone not in self.zones:
            raise GoogleError(400, "invalid", f"Invalid value for field 'zone': '{zone}'.")
        if region and region != self.region:
            raise GoogleError(400, "invalid", f"Invalid value for field 'region': '{region}'.")
        needed = permission(call.name)
        if self.refuses(needed):
            where = f"projects/{call.project}/{call.scope.path}"
            said = f"Required '{needed}' permission for '{where}'"
            raise GoogleError(403, "forbidden", said)

    def refuses(self, permission: str) -> bool:
        """Whether a test took a permission away."""
        return any(fnmatchcase(permission, pattern) for pattern in self.denied)

    def note_doom(self, call: Named, trouble: list[Fault]) -> None:
        """A fault `operation` lets a request through, and its operation fail."""
        for fault in trouble:
            if fault.kind == "operation":
                code = fault.code or "INTERNAL_ERROR"
                self._doom[call.request_id] = OperationFailed(code, fault.message, fault.status)

    def doomed(self, call: Call) -> OperationFailed | None:
        """How the operation of this request will fail, if a test wants that."""
        return self._doom.pop(call.request_id, None)

    def everything(self) -> dict[str, Any]:
        """See `snapshot`."""
        from .snapshot import snapshot

        return snapshot(self)
