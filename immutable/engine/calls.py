"""Making calls to a backend: retried while that can help, and answered in the engine's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import evolve, frozen

from immutable.backend import (
    Backend,
    BackendError,
    CapacityShortage,
    Conflict,
    Context,
    Denied,
    FleetState,
    Gone,
    Invalid,
    Plan,
    QuotaExceeded,
    Retiring,
    SupportsVolumes,
    Throttled,
    Transient,
)
from immutable.engine.retrying import patiently
from immutable.engine.telling import Teller
from immutable.model import (
    Action,
    Create,
    Delete,
    Grow,
    HoldGroup,
    Release,
    Reroute,
    Retire,
    Settle,
    Snapshot,
)
from immutable.model.records import Done, Outcome

__all__ = ["Answer", "Calls"]

_ATTEMPTS = 4
_METHODS: dict[type[Action], str] = {
    HoldGroup: "hold",
    Create: "create_revision",
    Grow: "grow",
    Retire: "retire",
    Settle: "settle",
    Release: "release",
    Delete: "delete_revision",
    Reroute: "route",
    Snapshot: "snapshot",
}
"""What each action is called in the contract."""


@frozen
class Answer:
    """What became of an action.

    Attributes:
        done: For the journal.
        zone: The zone without room, if that is the trouble.
        again: Seconds after which a retirement wants to be advanced, if it does.
        echo: Whether an attempt got no answer: it may take effect after all that followed.
    """

    done: Done
    zone: str | None = None
    again: float | None = None
    echo: bool = False


class Calls:
    """The calls of one rollout to one fleet.

    Args:
        backend: Whom to call.
        fleet: The fleet's name there.
        plan: What is carried out.
        teller: Who tells the hooks.
    """

    def __init__(self, backend: Backend, fleet: str, plan: Plan, teller: Teller) -> None:
        self._backend = backend
        self._fleet = fleet
        self._plan = plan
        self._calling = teller.calling

    async def observe(self, since: int | None, *, patience: float) -> FleetState:
        """Look at the fleet, for as long as *patience* when the backend can't answer.

        Raises:
            BackendError: It can't be seen.
        """

        async def look() -> FleetState:
            return await self._backend.observe(self._fleet, since=since)

        return await patiently(lambda: self._calling("observe", None, look), patience=patience)

    async def perform(
        self, action: Action, ctx: Context, own: Callable[[], Awaitable[None]]
    ) -> Answer:
        """Do *action* and say what became of it.

        Args:
            action: What to do.
            ctx: On whose behalf.
            own: Makes sure of the rollout's lease, before each attempt; what it raises is raised.
        """
        lost = False

        async def once() -> Answer:
            nonlocal lost
            await own()
            try:
                name = _METHODS[type(action)]
                call = partial(self._call, action, ctx)
                return await self._calling(name, action.revision, call)
            except Transient:
                lost = True
                raise

        try:
            return evolve(await patiently(once, attempts=_ATTEMPTS), echo=lost)
        except (CapacityShortage, QuotaExceeded) as error:
            zone = error.zone if isinstance(error, CapacityShortage) else None
            return Answer(Done(ctx.token, Outcome.SHORTAGE, str(error)), zone=zone)
        except Gone as error:
            over = isinstance(action, (Retire, Delete))
            outcome = Outcome.DONE if over else Outcome.CONFLICT
            return Answer(Done(ctx.token, outcome, str(error)))
        except (Denied, Invalid) as error:
            return Answer(Done(ctx.token, Outcome.REFUSED, str(error)))
        except (Conflict, Throttled, Transient) as error:
            outcome = Outcome.UNKNOWN if lost else Outcome.CONFLICT
            owner = error.owner if isinstance(error, Conflict) else None
            return Answer(Done(ctx.token, outcome, str(error), owner=owner or ""))

    async def advance(self, revision: int, ids: tuple[str, ...], ctx: Context) -> Retiring | None:
        """Advance retirements that have begun; None when that failed.

        A failure is left to the next time: what has begun stays begun.
        """
        try:
            drain = self._plan.limits.drain_timeout
            retire = partial(self._backend.retire, self._fleet, revision, ids)
            call = partial(retire, drain_timeout=drain, ctx=ctx)
            return await self._calling("retire", revision, call)
        except BackendError:
            return None

    async def _call(self, action: Action, ctx: Context) -> Answer:
        backend, fleet = self._backend, self._fleet
        size: int | None = None
        again: float | None = None
        said = ""
        match action:
            case HoldGroup(revision, until):
                await backend.hold(fleet, revision, until, ctx)
            case Create(_, pool, until):
                await backend.create_revision(fleet, self._plan.candidate, pool, until, ctx)
            case Grow(revision, wanted, expected):
                size = await backend.grow(fleet, revision, wanted, expected=expected, ctx=ctx)
            case Retire(revision, ids):
                drain = self._plan.limits.drain_timeout
                left = await backend.retire(fleet, revision, ids, drain_timeout=drain, ctx=ctx)
                size, again = left.size, left.again
            case Settle(revision):
                size = await backend.settle(fleet, revision, ctx)
            case Reroute(_, weights):
                await backend.route(fleet, weights, ctx)
            case Release(revision):
                await backend.release(fleet, revision, ctx)
            case Delete(revision):
                await backend.delete_revision(fleet, revision, ctx)
            case Snapshot(_, slot):
                said = await self._saved(slot, ctx)
        return Answer(Done(ctx.token, detail=said, size=size), again=again)

    async def _saved(self, slot: str, ctx: Context) -> str:
        """Save a slot, and return the snapshot's identity; empty while it is being taken."""
        if not isinstance(self._backend, SupportsVolumes):
            raise Invalid(f"the backend of {self._fleet} can't take snapshots of volumes")
        return await self._backend.snapshot(self._fleet, slot, ctx)
