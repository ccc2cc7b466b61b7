"""What a check works with: a backend, a fleet, and short ways to ask, wait and insist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

from attrs import define, field

from immutable.backend import (
    Backend,
    BackendError,
    Conflict,
    Context,
    FleetState,
    Group,
    Instance,
    InstanceState,
    Pool,
    Retiring,
    Revision,
    RuntimeConfig,
)
from immutable.testing.accessors import Accessors
from immutable.testing.outcome import Skipped
from immutable.testing.scrutiny import Scrutiny, breach

__all__ = ["OURS", "THEIRS", "Stage"]

OURS, THEIRS = "rollout-ours", "rollout-theirs"
READY, DRAINING = InstanceState.READY, InstanceState.DRAINING
PLAN = "plan-digest"

T = TypeVar("T")
E = TypeVar("E", bound=BackendError)


@define
class Stage:
    """One check's place.

    Attributes:
        author: Attributes and accessors of the backend's author.
        backend: The backend, open.
        rules: The rules that the check proves, for what it says when it fails.
        fleet: The name of the check's fleet; nothing is there unless the check has a size.
    """

    author: Accessors
    backend: Backend
    rules: tuple[str, ...]
    fleet: str
    scrutiny: Scrutiny = field(factory=Scrutiny)
    _tokens: count[int] = field(factory=count)

    # -- insisting -----------------------------------------------------------------------------

    def must(self, true: object, text: str) -> None:
        """Fail with *text* and the check's rules unless *true*.

        Raises:
            Breach: It isn't.
        """
        if not true:
            raise breach(text, *self.rules)

    def same(self, found: object, wanted: object, what: str) -> None:
        """Fail unless *found* equals *wanted*."""
        self.must(found == wanted, f"{what}: {found!r}, and has to be {wanted!r}")

    async def refused(
        self, call: Awaitable[object], error: type[E], what: str, *, owner: str | None = None
    ) -> E:
        """Return the error that *call* has to raise.

        Args:
            call: The call.
            error: Of which class.
            what: The call in words.
            owner: Whom a `Conflict` has to name.

        Raises:
            Breach: It raises none, or another.
        """
        try:
            answer = await call
        except error as caught:
            self.must(str(caught), f"{what}: the {error.__name__} says nothing")
            if owner is not None:
                named = caught.owner if isinstance(caught, Conflict) else None
                self.same(named, owner, f"{what}: the owner that the Conflict names")
            return caught
        except BackendError as other:
            raise breach(
                f"{what}: raised {type(other).__name__}({other}), and has to raise"
                f" {error.__name__}",
                *self.rules,
            ) from other
        raise breach(
            f"{what}: was done (answer {answer!r}), and has to raise {error.__name__}", *self.rules
        )

    def needs(self, capability: str) -> None:
        """Skip the check unless the backend has a capability.

        Raises:
            Skipped: It has not.
        """
        if not getattr(self.backend.capabilities, capability):
            raise Skipped(f"capabilities.{capability} is False")

    # -- looking and waiting -------------------------------------------------------------------

    async def glance(self) -> FleetState:
        """Return a whole look, however old it may be."""
        return self.scrutiny.hold(await self.backend.observe(self.fleet))

    async def look(self) -> FleetState:
        """Return a whole look that shows everything that was done until now."""
        await self.settle()
        return await self.glance()

    async def settle(self) -> None:
        """Wait until what was done has to be seen."""
        if self.backend.capabilities.staleness:
            await asyncio.sleep(self.backend.capabilities.staleness)

    async def group(self, number: int = 1) -> Group:
        """Return a group as it is now."""
        found = (await self.look()).group(number)
        if found is None:
            raise breach(f"the fleet is told without its group r{number}", *self.rules)
        return found

    async def going_on(self, start: FleetState) -> dict[int, Group]:
        """Return the groups as a look shows them now that goes on from an earlier one."""
        await self.settle()
        state = await self.backend.observe(self.fleet, since=start.cursor)
        return {group.number: group for group in state.groups}

    @property
    def patience(self) -> float:
        """Seconds within which what goes on by itself has to end."""
        if self.author.patience is not None:
            return self.author.patience
        able = self.backend.capabilities
        return 10 + 4 * (able.boot + able.drain + able.terminate) + 2 * able.staleness

    async def until(
        self, true: Callable[[FleetState], bool], what: str, *, patience: float | None = None
    ) -> FleetState:
        """Look again and again until *true*; return that look.

        Raises:
            Breach: It isn't in time.
        """
        loop, allowed = asyncio.get_running_loop(), patience or self.patience
        end = loop.time() + allowed
        state = await self.look()
        while not true(state):
            if loop.time() >= end:
                raise breach(
                    f"waited {allowed:g} s for: {what}\n  the last look: {shown(state)}",
                    *self.rules,
                )
            await asyncio.sleep(self.author.poll or self.backend.capabilities.poll)
            state = await self.glance()
        return state

    async def ready(self, size: int, number: int = 1) -> list[Instance]:
        """Wait until a group has *size* READY members and none else; return them, oldest first."""

        def done(state: FleetState) -> bool:
            members = state.members(number)
            return len(members) == size and all(each.state is READY for each in members)

        state = await self.until(done, f"{size} members of r{number}, all READY")
        return sorted(state.members(number), key=lambda each: (each.launched_at, each.id))

    async def gone(self, *ids: str) -> FleetState:
        """Wait until none of *ids* is listed any more."""
        return await self.until(
            lambda state: not {each.id for each in state.instances} & set(ids),
            f"{', '.join(ids)} gone",
        )

    async def now(self) -> float:
        """Return the time by the backend's clock."""
        return (await self.glance()).at

    async def past(self, until: float) -> None:
        """Wait until the backend's clock has passed *until*."""
        await self.until(
            lambda state: state.at > until,
            f"the clock past {until}",
            patience=self.patience + self.author.short,
        )
        await self.settle()

    # -- calls ---------------------------------------------------------------------------------

    def ctx(self, rollout: str = OURS, fence: int = 1) -> Context:
        """Return a context with a token of its own; pass the same one on to repeat a call."""
        token = f"{rollout}-{self.fleet}-{next(self._tokens)}"
        return Context(rollout, PLAN, fence, token, 60)

    async def revision(self, number: int = 2, **environment: str) -> Revision:
        """Return a revision of the first image (number 1), or of the second."""
        image = await self.backend.resolve(self.author.images[number > 1])
        template = dict(self.author.template)
        return Revision(number, image, RuntimeConfig(environment), template)

    async def create(
        self,
        number: int = 2,
        *,
        pool: Pool = Pool.SHARED,
        until: float | None = None,
        ctx: Context | None = None,
    ) -> None:
        """Make the group of another revision, held for an hour."""
        end = await self.now() + 3600 if until is None else until
        revision = await self.revision(number)
        await self.backend.create_revision(self.fleet, revision, pool, end, ctx or self.ctx())

    async def grow(
        self, size: int, expected: int, *, number: int = 1, ctx: Context | None = None
    ) -> int:
        """Raise the size of a group."""
        return await self.backend.grow(
            self.fleet, number, size, expected=expected, ctx=ctx or self.ctx()
        )

    async def retire(
        self, *ids: str, number: int = 1, drain: float | None = None, ctx: Context | None = None
    ) -> Retiring:
        """Begin or advance the end of members."""
        return await self.backend.retire(
            self.fleet,
            number,
            ids,
            drain_timeout=self.author.drain_timeout if drain is None else drain,
            ctx=ctx or self.ctx(),
        )

    async def see_off(self, *ids: str, number: int = 1) -> FleetState:
        """Retire members and advance it, as the engine does, until they are gone."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience + self.author.drain_timeout
        left = await self.retire(*ids, number=number)
        due = loop.time() + left.again if left.again is not None else None
        while True:
            state = await self.look()
            here = [each.id for each in state.instances if each.id in ids]
            if not here:
                return state
            if loop.time() >= end:
                raise breach(f"not gone in time: {', '.join(here)}", *self.rules, "T5")
            if due is not None and loop.time() >= due:
                left = await self.retire(*here, number=number)
                due = loop.time() + left.again if left.again is not None else None
            await asyncio.sleep(self.author.poll or self.backend.capabilities.poll)

    async def hold(
        self, seconds: float = 3600, *, number: int = 1, ctx: Context | None = None
    ) -> float:
        """Hold a group for so many seconds; returns until when."""
        until = await self.now() + seconds
        await self.backend.hold(self.fleet, number, until, ctx or self.ctx())
        return until

    async def release(self, number: int = 1, *, ctx: Context | None = None) -> None:
        """End the hold of a group."""
        await self.backend.release(self.fleet, number, ctx or self.ctx())

    async def delete(self, number: int, *, ctx: Context | None = None) -> None:
        """Remove an empty group."""
        await self.backend.delete_revision(self.fleet, number, ctx or self.ctx())

    async def members(self, number: int = 1) -> set[str]:
        """Return who really exists, past the backend."""
        return set(await self.author.raw_members(self.fleet, number))

    async def spared(self, wanted: set[str], number: int = 1) -> None:
        """Fail unless exactly *wanted* exist, past the backend where that can be asked."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience
        while (found := await self._existing(number)) != wanted and loop.time() < end:
            await asyncio.sleep(self.author.poll or self.backend.capabilities.poll)
        self.same(sorted(found), sorted(wanted), f"the members of r{number} that there really are")

    async def _existing(self, number: int) -> set[str]:
        try:
            return await self.members(number)
        except Skipped:
            return {each.id for each in (await self.look()).members(number)}


def shown(state: FleetState) -> str:
    """Return a look in a line."""
    sizes = " ".join(f"r{group.number}:{group.size}" for group in state.groups)
    seen = " ".join(f"{i.id}(r{i.revision})={i.state.value}" for i in state.instances)
    return f"at={state.at:.1f} sizes {sizes or '-'}; {seen or 'no members'}"
