"""Operations: what was accepted, and how it ended.

"Handling API responses" (https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses):
whoever changes something gets an operation, PENDING or RUNNING, and asks until it is DONE. One
that failed is answered with HTTP 200 like any other; what went wrong stands in `error`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attrs import define, field

from .calls import Call, answers
from .errors import NotEmulated, OperationFailed, invalid, not_found
from .names import ROOT, Scope
from .paging import page
from .store import Resource

if TYPE_CHECKING:
    from .world import World

USER = "tests@acme.iam.gserviceaccount.com"

Effect = Callable[[], None]


@define(eq=False)
class Operation:
    """One operation.

    Args:
        type: `insert`, `patch`, `compute.instanceGroupManagers.resize` …
        target: path of the resource.
        asked: the client's `requestId`.
        call: which request made it, for the check of repeated ids.
    """

    project: str
    id: int
    name: str
    scope: Scope
    type: str
    target: str
    target_id: int
    inserted: float
    asked: str | None
    call: tuple[Any, ...]
    ended: float | None = None
    failure: OperationFailed | None = None
    warnings: list[dict[str, Any]] = field(factory=list)

    def show(self, world: World) -> dict[str, Any]:
        """As Google writes it."""
        here = f"{ROOT}projects/{self.project}/{self.scope.path}"
        said: dict[str, Any] = {
            "kind": "compute#operation",
            "id": str(self.id),
            "name": self.name,
            "operationType": self.type,
            "targetLink": ROOT + self.target,
            "targetId": str(self.target_id),
            "status": "RUNNING" if self.ended is None else "DONE",
            "user": USER,
            "progress": 0 if self.ended is None else 100,
            "insertTime": world.stamp(self.inserted),
            "startTime": world.stamp(self.inserted),
            "selfLink": f"{here}/operations/{self.name}",
        }
        if self.scope.name:
            said[self.scope.kind[:-1]] = here
        if self.asked:
            said["clientOperationId"] = self.asked
        if self.ended is not None:
            said["endTime"] = world.stamp(self.ended)
        if self.warnings:
            said["warnings"] = self.warnings
        if self.failure is not None:
            said["error"] = {"errors": [self.failure.error()]}
            if self.failure.status is not None:
                said["httpErrorStatusCode"] = self.failure.status
                said["httpErrorMessage"] = HTTPStatus(self.failure.status).phrase.upper()
        return said


@define(eq=False)
class Operations:
    """All operations of the project."""

    world: World
    all: dict[tuple[Scope, str], Operation] = field(factory=dict)
    asked: dict[str, Operation] = field(factory=dict)

    def repeated(self, call: Call) -> Operation | None:
        """The operation of an earlier request with the same `requestId`.

        `requestId` is a UUID, not zero; who repeats a request with it gets the first one's
        operation, says each method's page.

        Raises:
            GoogleError: it is no UUID.
            NotEmulated: it was used for another request: nobody's documents say what comes then.
        """
        asked = call.query.get("requestId")
        if asked is None:
            return None
        try:
            zero = uuid.UUID(asked).int == 0
        except ValueError:
            zero = True
        if zero:
            raise invalid("requestId", asked, "Must be a valid UUID; the zero UUID is not allowed.")
        earlier = self.asked.get(asked)
        if earlier is not None and earlier.call != _identity(call):
            raise NotEmulated(f"requestId {asked} of another request, used for {call.name},", 400)
        return earlier

    def begin(
        self,
        call: Call,
        target: Resource,
        effect: Effect | None = None,
        *,
        seconds: float | None = None,
        scope: Scope | None = None,
    ) -> Operation:
        """Accept a request: `effect` happens when its operation ends, in `seconds`.

        An effect that raises `OperationFailed` has done nothing. With `seconds` None it takes what
        the law says.
        """
        operation = self._new(call, target, scope)
        target.busy += 1
        wait = self.world.chances.draw(self.world.laws.operation) if seconds is None else seconds
        self.world.clock.after(wait, self.end, operation, target, effect)
        return operation

    def begin_open(self, call: Call, target: Resource) -> Operation:
        """Accept a request whose end is somebody else's to call, unless it has failed already."""
        operation = self._new(call, target, None)
        target.busy += 1
        if operation.failure is not None:
            wait = self.world.chances.draw(self.world.laws.operation)
            self.world.clock.after(wait, self.end, operation, target)
        return operation

    def _new(self, call: Call, target: Resource, scope: Scope | None) -> Operation:
        method = call.name.partition(".")[2]
        plain = {"insert", "delete", "patch", "update"}
        now = self.world.clock.now()
        operation = Operation(
            project=self.world.store.project,
            id=self.world.chances.number(19),
            name=f"operation-{int(now * 1000)}-{uuid.uuid4().hex[:13]}-{self.world.chances.word(8)}",
            scope=target.scope if scope is None else scope,
            type=method if method in plain else f"compute.{call.name}",
            target=target.path,
            target_id=target.id,
            inserted=now,
            asked=call.query.get("requestId"),
            call=_identity(call),
        )
        self.all[operation.scope, operation.name] = operation
        if operation.asked:
            self.asked[operation.asked] = operation
        operation.failure = self.world.doomed(call)
        return operation

    def end(self, operation: Operation, target: Resource, effect: Effect | None = None) -> None:
        """It is done, well or not."""
        target.busy -= 1
        try:
            if operation.failure is not None:
                self._undo(operation, target)
            elif effect is not None:
                effect()
        except OperationFailed as failure:
            operation.failure = failure
            self._undo(operation, target)
        operation.ended = self.world.clock.now()

    def _undo(self, operation: Operation, target: Resource) -> None:
        shelf = self.world.store.all[target.kind]
        if not target.ready and shelf.get((target.scope, target.name)) is target:
            self.world.store.drop(target)
        target.claimed = target.shown


def _identity(call: Call) -> tuple[Any, ...]:
    query = {k: v for k, v in call.query.items() if k != "requestId"}
    return (call.name, tuple(sorted(call.path.items())), repr(query), repr(call.body))


KINDS = ("zoneOperations", "regionOperations", "globalOperations")


def _find(world: World, call: Call) -> Operation:
    found = world.operations.all.get((call.scope, call.target))
    if found is None:
        here = f"projects/{world.store.project}/{call.scope.path}"
        raise not_found(f"{here}/operations/{call.target}")
    return found


@answers(*(f"{kind}.get" for kind in KINDS))
def get(world: World, call: Call) -> Any:
    """How it stands."""
    return _find(world, call)


@answers(*(f"{kind}.wait" for kind in KINDS))
def wait(world: World, call: Call) -> Any:
    """Wait until it is DONE, or for `laws.wait`; two minutes at Google, "best effort".

    The world goes on meanwhile, and answers others.
    """
    operation = _find(world, call)
    until = time.time() + world.laws.wait
    while operation.ended is None and time.time() < until:
        due = world.clock.pending() or until
        world.pause(min(max(due - world.clock.now(), 0.001), 0.02))
    return operation


@answers(*(f"{kind}.list" for kind in KINDS))
def listed(world: World, call: Call) -> Any:
    """All of a scope, the newest last."""
    told = [o.show(world) for (scope, _), o in world.operations.all.items() if scope == call.scope]
    return page(call, told, "compute#operationList")
