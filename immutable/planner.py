"""Making plans for a fleet: what is there, what is wanted, and what must end before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve

from immutable.connecting import Connection
from immutable.engine.admitting import hearing
from immutable.engine.drifting import look_for_drift
from immutable.engine.history import earlier_revision, last_that_left
from immutable.engine.referring import known
from immutable.engine.retrying import patiently
from immutable.engine.sources import unreadable
from immutable.errors import (
    Conflict,
    FleetBusy,
    FleetNotFound,
    Gone,
    InvalidValue,
    PlanRefused,
)
from immutable.hooks import Drifted, Notice, installed, tell
from immutable.journal import Entry
from immutable.model import (
    FleetState,
    Group,
    Image,
    ImageLike,
    Limits,
    Plan,
    PlanKind,
    Revision,
    RuntimeConfig,
    Stateful,
    Strategy,
)
from immutable.model.drift import DriftVerdict
from immutable.model.preview import Findings
from immutable.model.quantities import Count
from immutable.planning.compile import (
    only_group,
    replacement,
    resizing,
    returning,
    size_at_least,
)
from immutable.planning.repairing import repair
from immutable.planning.rotation import pinned
from immutable.rollout import Rollout
from immutable.strategies import Rolling

if TYPE_CHECKING:
    from immutable.model.drift import DriftReport
    from immutable.scanning import Settled

__all__ = ["Planner"]

T = TypeVar("T")
_ATTEMPTS = 10


class Planner:
    """Looks at one fleet and makes plans for it.

    Args:
        connection: What the fleet needs.
        rollout: How to get hold of a rollout by its identifier.
    """

    def __init__(self, connection: Connection, rollout: Callable[[str], Rollout]) -> None:
        self._address = connection.address
        self._url = connection.url
        self._name = connection.url.name
        self._clock = connection.clock
        self._actor = connection.actor
        self._backend = connection.backend
        self._journal = connection.journal
        self._rollout = rollout

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        return await patiently(question, attempts=_ATTEMPTS)

    # -- looking -------------------------------------------------------------------------------

    async def state(self) -> FleetState:
        """Return what there is of the fleet now.

        Raises:
            FleetNotFound: It is gone.
        """
        try:
            return await self._ask(lambda: self._backend.observe(self._name))
        except Gone as error:
            visible = await self._ask(self._backend.fleets)
            raise FleetNotFound(self._address, visible) from error

    async def image(self, image: ImageLike) -> Image:
        """Return the image that words mean here, pinned.

        Raises:
            InvalidValue: The words mean a channel, and there is none such, or nothing for here.
            Invalid: There is none, or instances can't be started from it.
        """
        meant, _ = await self._meant(image)
        reference = meant if isinstance(meant, str) else meant.artifact
        return await self._ask(lambda: self._backend.resolve(reference))

    async def _meant(self, words: ImageLike) -> tuple[ImageLike, tuple[str, ...]]:
        """Return what is launched of what a channel points at, and that as a note for the plan.

        Other words stay as they are. A channel is read once: it may move at any moment.
        """
        if not isinstance(words, str) or "@" not in words:
            return words, ()
        from immutable.catalog.state import is_channel

        if not is_channel(words):
            return words, ()
        version = (await self._journal.catalog()).find(words)
        artifact = version.artifact(self._url.scheme, self._url.location)
        return artifact, (f"{words} is {version} ({version.digest})",)

    async def check(self, plan: Plan, *, starting: bool = True) -> tuple[str, ...]:
        """Look for what would stop a plan: in the backend, in what its gates read, in the policy.

        Args:
            plan: The plan.
            starting: Whether it is to be begun now; else it is being made.

        Returns:
            What a reviewer should know of what was found.

        Raises:
            PlanRefused: Something would; with every problem that was found.
        """
        found = await self.findings(plan, starting=starting)
        if found.problems:
            raise PlanRefused(found.problems)
        return found.notes

    async def findings(self, plan: Plan, *, starting: bool = False) -> Findings:
        """Return what a look at a plan finds; arguments are as for `check`."""
        if not plan.steps:
            return Findings()
        problems = await self._ask(lambda: self._backend.preflight(self._name, plan))
        problems += await unreadable(self._backend, plan)
        now, actor = self._clock.now(), self._actor
        heard = await hearing(self._journal, now, plan, actor=actor, starting=starting)
        replaces = plan.kind is PlanKind.REPLACE
        asked = plan.candidate.config.secrets if replaces else {}
        secrets = await known(asked, self._backend.checks_secrets)
        problems += (*heard.problems, *secrets.problems)
        return Findings(problems, (*heard.notes, *secrets.notes), heard.rulings)

    async def check_first(self, revision: Revision, size: int) -> tuple[Revision, tuple[str, ...]]:
        """Make sure that a fleet that is not there yet may launch what it is to run.

        Returns:
            The revision as it is made, and what should stand on record with it.

        Raises:
            InvalidValue: *size* is negative.
            PlanRefused: The image is revoked, or a policy that the fleet carries lets it not pass;
                or a setting looks like a secret.
        """
        able, now = self._backend.capabilities, self._clock.now()
        empty = FleetState(self._name, now, (Group(revision, 0),), ())
        plan = resizing(self._address, empty, size, able.limits, able)
        heard = await hearing(
            self._journal, now, plan, actor=self._actor, starting=True, fresh=True
        )
        found = await _settled({**revision.template, **revision.config.environment})
        secrets = await known(revision.config.secrets, self._backend.checks_secrets)
        if problems := (*heard.problems, *found.problems, *secrets.problems):
            raise PlanRefused(problems)
        config = pinned(_plain(revision.config), secrets.current)
        return evolve(revision, config=config), (*found.notes, *secrets.notes)

    async def ready(self, plan: Plan, signed: str) -> Plan:
        """Return a plan that may be begun, with what was signed under it kept on record.

        Raises:
            NotTrusted: What was signed can't be read.
            PlanRefused: It can't be done any more; with every problem that was found.
        """
        if signed:
            from immutable.admission.approvals import hand_in

            await self._journal.change_catalog(
                lambda catalog, _: hand_in(catalog, plan, signed, actor=self._actor)
            )
        await self.check(plan)
        return plan

    async def _checked(self, plan: Plan, found: Settled | None = None) -> Plan:
        """Return a plan that was made, with what its check has found.

        Args:
            plan: The plan.
            found: What a scan of its settings has found.
        """
        looked, made = await self._looked_at(plan, found)
        if looked.problems:
            raise PlanRefused(looked.problems)
        return made

    async def _looked_at(self, plan: Plan, settled: Settled | None) -> tuple[Findings, Plan]:
        """Return what was found about a plan that was made, and the plan with the notes of it."""
        found = await self.findings(plan)
        if settled is not None:
            found = evolve(
                found,
                problems=found.problems + settled.problems,
                notes=found.notes + settled.notes,
            )
        return found, evolve(plan, notes=plan.notes + found.notes)

    async def _running(self) -> Rollout | None:
        running = await self._journal.entries(fleet=self._address, unfinished=True)
        return self._rollout(running[0].rollout) if running else None

    async def _idle(self) -> None:
        running = await self._running()
        if running is not None:
            raise FleetBusy(self._address, running.id)

    # -- planning ------------------------------------------------------------------------------

    async def replacement(
        self,
        image: ImageLike | None,
        strategy: Strategy,
        limits: Limits | None,
        config: RuntimeConfig | None,
        stateful: Stateful | None = None,
        *,
        vouched: bool = False,
    ) -> Plan:
        """Return the plan of a replacement, checked.

        Args:
            image: As for `immutable.Fleet.plan`.
            strategy: The same.
            limits: The same.
            config: The same.
            stateful: The same.
            vouched: Whether the fleet has been told *config* before: nothing may keep the way back
                closed, so it is not scanned for secrets.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            PlanRefused: It can't be done; with every problem that was found.
        """
        found, plan = await self._replacing(
            image, strategy, limits, config, stateful, vouched=vouched
        )
        return await self._checked(plan, found)

    async def previewed(
        self,
        image: ImageLike | None,
        strategy: Strategy,
        limits: Limits | None,
        config: RuntimeConfig | None,
        stateful: Stateful | None = None,
    ) -> tuple[Findings, Plan]:
        """Return the plan of a replacement, and what was found about it: also what stops it.

        Arguments are as for `replacement`.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            PlanRefused: There is no such plan at all.
        """
        settled, plan = await self._replacing(image, strategy, limits, config, stateful)
        return await self._looked_at(plan, settled)

    async def _replacing(
        self,
        image: ImageLike | None,
        strategy: Strategy,
        limits: Limits | None,
        config: RuntimeConfig | None,
        stateful: Stateful | None,
        *,
        vouched: bool = False,
    ) -> tuple[Settled | None, Plan]:
        """Return the plan of a replacement, and what a scan of its settings has found."""
        await self._idle()
        state = await self.state()
        stable = only_group(state).revision
        found = None
        if config is not None and not vouched:
            found = await _settled(config.environment, stable.config.environment)
            config = pinned(config, (await known(config.secrets)).current)
        meant, named = (None, ()) if image is None else await self._meant(image)
        plan = replacement(
            self._address,
            state,
            stable.image if meant is None else await self.image(meant),
            _plain(config) if config is not None else None,
            strategy,
            limits,
            self._backend.capabilities,
            stateful,
        )
        return found, evolve(plan, notes=(*plan.notes, *named))

    async def resizing(self, size: int, limits: Limits | None) -> Plan:
        """Return the plan of a change of size.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            InvalidValue: *size* is negative.
        """
        await self._idle()
        able = self._backend.capabilities
        return resizing(self._address, await self.state(), size, limits or able.limits, able)

    async def repair(
        self, max_age: float | None, budget: Count | None, limits: Limits | None
    ) -> Plan:
        """Return the plan that replaces what has drifted by new instances, checked.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            InvalidValue: *budget* makes no sense.
            PlanRefused: It can't be done; with every problem that was found.
        """
        await self._idle()
        able = self._backend.capabilities
        report = await self.drift(max_age)
        state = await self.state()
        return await self._checked(repair(report, state, budget, limits or able.limits, able))

    async def drift(self, max_age: float | None) -> DriftReport:
        """Return how far the fleet is what its revision says.

        Raises:
            FleetNotFound: It is gone.
        """
        await self.state()
        report = await look_for_drift(
            self._backend, self._name, self._address, self._journal, max_age
        )
        drifted = report.of(DriftVerdict.DRIFTED)
        if drifted or report.strays:
            names = tuple(each.instance for each in drifted)
            found = Drifted(names, tuple(each.id for each in report.strays))
            notice = Notice("", self._address, self._clock.now(), found)
            tell(notice, installed().on_event)
        return report

    async def going_back(self, to: int | None, limits: Limits | None) -> Plan:
        """Return the plan back to an earlier revision, whose group may still be there.

        Raises:
            FleetBusy: A rollout that isn't past its point of no return runs on the fleet.
            InvalidValue: The journal knows of no such revision.
            PlanRefused: It can't be done; with every problem that was found.
        """
        await self._take_over_stable()
        state = await self.state()
        history = await self._journal.entries(fleet=self._address)
        if len(state.groups) == 2:
            return await self._onto(state, history, to, limits)
        earlier = earlier_revision(history, only_group(state).number, to)
        # The image has proven itself before: a probe would only lose time.
        rolling = Rolling(probe=False)
        return await self.replacement(earlier.image, rolling, limits, earlier.config, vouched=True)

    async def _onto(
        self, state: FleetState, history: Sequence[Entry], to: int | None, limits: Limits | None
    ) -> Plan:
        """Return the plan that brings a fleet of two groups whole onto one of them, checked."""
        pair = {group.number for group in state.groups}
        last = last_that_left(history, pair)
        number = last.plan.stable.number if to is None and last is not None else to
        if number is None:
            reason = "this journal doesn't know from which of two groups the fleet comes"
            names = " or ".join(str(each) for each in sorted(pair))
            raise InvalidValue("to", None, reason, f"name one: {names}")
        before = await self._rollout(last.rollout).ledger() if last is not None else None
        wanted = before.wanted if before is not None else size_at_least(*state.groups)
        able = self._backend.capabilities
        return await self._checked(returning(self._address, state, number, wanted, limits, able))

    # -- making way ----------------------------------------------------------------------------

    async def superseding(
        self,
        image: ImageLike | None,
        strategy: Strategy,
        limits: Limits | None,
        config: RuntimeConfig | None,
        stateful: Stateful | None = None,
    ) -> Plan:
        """Return the plan of a replacement after the rollout that runs, if one does, was ended.

        Raises:
            PlanRefused: It can't be done; with every problem that was found.
        """
        # Before anything is taken back: a name that means nothing ends no rollout.
        meant, named = (None, ()) if image is None else await self._meant(image)
        wanted = None if meant is None else await self.image(meant)
        if config is not None:
            runs = [group.revision.config.environment for group in (await self.state()).groups]
            known = {name: value for each in runs for name, value in each.items()}
            if problems := (await _settled(config.environment, known)).problems:
                raise PlanRefused(problems)
        taken_back = await self._take_back()
        plan = await self.replacement(wanted, strategy, limits, config, stateful)
        return evolve(plan, notes=(*plan.notes, *named, *taken_back))

    async def _take_back(self) -> tuple[str, ...]:
        running = await self._running()
        if running is None:
            return ()
        try:
            await running.abort(reason="superseded")
        except Conflict:
            await running.promote(reason="superseded", take_over=True)
        end = await running.end()
        return (f"supersedes rollout {running.id}, which ended {end.status.value} first",)

    async def _take_over_stable(self) -> None:
        """Let a rollout that only keeps stable any more leave it to us."""
        running = await self._running()
        if running is None:
            return
        if not (await running.ledger()).committed:
            raise FleetBusy(self._address, running.id)
        await running.let_go()
        await running.end()


async def _settled(values: Mapping[str, str], known: Mapping[str, str] | None = None) -> Settled:
    """Return whether settings may be handed out."""
    from immutable.scanning import Settled, settled

    return await settled(values, known) if values else Settled()


def _plain(config: RuntimeConfig) -> RuntimeConfig:
    """Return a configuration as it is kept: why a setting is no secret stands in the notes."""
    return evolve(config, environment={n: str(v) for n, v in config.environment.items()})
