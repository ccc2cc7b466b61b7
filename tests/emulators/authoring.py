"""What authors of backends on emulated clouds tell the conformance suite in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from immutable.testing import Accessors, Mishap

from .waiting import eventually


class EmulatorAuthor(Accessors):
    """Accessors by an emulator's commands.

    Attributes:
        emulator: The cloud.
        requests: The request of each call that does what it is for.
        first: The first request of each call that changes something, where that is another one.
        throttled: How the cloud says that there are too many requests: a fault.
        denied: How it says that something is not permitted: a fault.
        lost_page: Whose answer ``observe`` can't do without.
        hasty: Seconds after which who sends a request that arrives late has given it up.
        parted: The constant that says how many members ``retire`` begins with in one request.
    """

    release = "0.1"
    patience = 30.0
    poll = 0.05
    late = 5.0
    hasty = 3.0
    emulator: Any
    monkeypatch: Any
    requests: ClassVar[Mapping[str, str]]
    first: ClassVar[Mapping[str, str]]
    throttled: ClassVar[Mapping[str, Any]] = {"kind": "throttle"}
    denied: ClassVar[Mapping[str, Any]]
    lost_page: str
    parted: ClassVar[str] = ""

    async def raw_kill(self, fleet, instance):
        self.emulator.kill(instance=instance)

    async def raw_fail_health(self, fleet, instance):
        self.emulator.sicken(instance=instance)

    async def there(self, name, size):
        """Wait until a group of somebody else has so many members."""

        async def members():
            return await self.raw_members(name, 1)

        await eventually(members, lambda found: len(found) >= size)

    async def mishap(self, call, kind):
        action, first = self.requests.get(call), {**self.requests, **self.first}.get(call)
        if kind is Mishap.THROTTLED and first:
            self.emulator.fault(action=first, **self.throttled)
        elif kind is Mishap.LOST and action:
            self.emulator.fault(action=action, kind="lost")
        elif kind is Mishap.LATE and call in ("grow", "retire"):
            self.emulator.fault(action=action, kind="latency", seconds=self.late)
        elif kind is Mishap.DENIED and action:
            self.emulator.fault(action=action, kind="error", status=403, **self.denied)
        elif kind is Mishap.MISSING_PAGE and call == "observe":
            self.emulator.fault(action=self.lost_page, kind="reset")
        elif kind is Mishap.HALF_MADE and call == "create_revision":
            self.emulator.fault(action=action, kind="reset")
        elif kind is Mishap.PARTLY and call == "retire" and self.parted:
            self.monkeypatch.setattr(self.parted, 1)
            self.emulator.fault(action=action, kind="throttle", skip=1)
        else:
            await super().mishap(call, kind)
