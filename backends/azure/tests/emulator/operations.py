"""Long-running operations: what is answered at once, and what is told of them later.

"Track asynchronous Azure operations"
(https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations): 201 or 202
with `Azure-AsyncOperation` or `Location`, a status of its own, an error inside a 200. Which header
comes with which call is recorded (kubernetes-sigs/cloud-provider-azure, pkg/azclient/*/testdata).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError

if TYPE_CHECKING:
    from .world import World

Ending = Callable[["Operation"], None]


@define(eq=False)
class Operation:
    """One, running or over.

    Args:
        name: of the call that began it.
        provider: `Microsoft.Compute` or `Microsoft.Network`: they tell different things.
        target: the thing that it works on, as a key.
        started: when.
        error: why it failed, once it has.
        result: what is told through `Location` in the end.
    """

    id: str
    name: str
    provider: str
    target: str
    started: str
    base: str
    error: ArmError | None = None
    ended: str | None = None
    result: Any = None
    then: list[Ending] = field(factory=list)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None

    @property
    def status(self) -> str:
        """`InProgress`, `Succeeded` or `Failed`."""
        return "InProgress" if self.running else "Failed" if self.error else "Succeeded"

    def told(self) -> dict[str, Any]:
        """What is answered to who asks for its status."""
        if self.provider == "Microsoft.Network":
            said: dict[str, Any] = {"status": self.status}
        else:
            said = {"startTime": self.started, "status": self.status, "name": self.id}
            if self.ended:
                said["endTime"] = self.ended
        if self.error:
            said["error"] = self.error.told()
        return said


class Operations:
    """All of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: dict[str, Operation] = {}
        self.running: dict[str, Operation] = {}

    def begin(self, call: Call | None, name: str, provider: str, target: str) -> Operation:
        """One that runs from now on; ends when `end` is called."""
        started = stamp(self.world)
        base = call.base if call else ""
        operation = Operation(ids.fresh(), name, provider, ids.key(target), started, base)
        self.all[operation.id] = self.running[operation.id] = operation
        return operation

    def end(self, operation: Operation, error: ArmError | None = None) -> None:
        """It is over, well or not; a second end changes nothing."""
        if not operation.running:
            return
        operation.error, operation.ended = error, stamp(self.world)
        del self.running[operation.id]
        for then in operation.then:
            then(operation)

    def on(self, target: str, *, below: bool = False) -> list[Operation]:
        """Those that run on a thing; `below`: on what belongs to it too."""
        wanted = ids.key(target)
        return [
            each
            for each in self.running.values()
            if each.target == wanted or (below and each.target.startswith(f"{wanted}/"))
        ]

    def failing(self, call: Call, target: str) -> Operation | None:
        """An operation that the test wants to fail, with no machine moved; None if it wants none."""
        fault = self.world.failing.pop(call.request_id, None)
        if fault is None:
            return None
        operation = self.begin(call, call.name, provider_of(call), target)
        error = ArmError(fault.code or "InternalExecutionError", fault.message)
        self.world.clock.after(fault.seconds, self.end, operation, error)
        return operation


def provider_of(call: Call) -> str:
    """Whose operation a call begins."""
    return call.at.get("provider", "Microsoft.Compute")


def stamp(world: World, at: float | None = None) -> str:
    """A time as Azure writes it."""
    return world.clock.date(at).isoformat().replace("+00:00", "Z")


def accepted(
    world: World, call: Call, operation: Operation, status: int, body: Any = None, *,
    location: bool = False, headers: dict[str, str] | None = None,
) -> Answer:  # fmt: skip
    """The answer that tells where to ask; `location` for deletions and actions."""
    place = (
        f"{call.base}/subscriptions/{call.at['subscriptions']}/providers/{operation.provider}"
        f"/locations/{world.location}/operations/{operation.id}?api-version={call.version}"
    )
    heads = {"Azure-AsyncOperation": place, "Azure-AsyncNotification": "Enabled"}
    if location:
        heads["Location"] = f"{place}&monitor=true"
    if world.laws.retry_after is not None:
        heads["Retry-After"] = str(world.laws.retry_after)
    return Answer(status, body, heads | (headers or {}))


@answers("resources:operations.status")
def status(world: World, call: Call) -> Answer:
    """How an operation stands; with `monitor`, as `Location` tells it: 202, then the result."""
    found = world.operations.all.get(call.path.rsplit("/", 1)[1])
    if found is None:
        raise ArmError("NotFound", "The entity was not found.", 404)
    waits = {} if world.laws.retry_after is None else {"Retry-After": str(world.laws.retry_after)}
    if "operationresults" not in call.at and call.query.get("monitor") != "true":
        return Answer(200, found.told(), waits if found.running else {})
    if found.running:
        return Answer(202, None, waits | {"Location": f"{call.base}{call.path}?{_query(call)}"})
    if found.error:
        raise found.error
    return Answer(200 if found.result is not None else 204, found.result)


def _query(call: Call) -> str:
    return "&".join([f"api-version={call.version}", *(f"{k}={v}" for k, v in call.query.items())])
