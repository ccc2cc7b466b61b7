"""A laboratory: the real engine on the simulated cloud, where moves are made one after the other.

Each user's command is a controller, that is a process of its own: it can be killed at any call, be
frozen, be told to stop. All share one journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any, Self

from attrs import evolve

from immutable import Fleet, ImmutableError, JournalError, Limits
from immutable.admission import BuiltBy, Policy, set_policy
from immutable.backend import DriftCode, Rate, Throttled, Transient, Volume
from immutable.catalog import add, assign, restore, revoke
from immutable.engine.places import places
from immutable.engine.retrying import jitter
from immutable.memory import (
    Behaviour,
    Cloud,
    Fault,
    Laws,
    Tracking,
    When,
    exponential,
    fixed,
    lognormal,
)
from immutable.model import Order
from immutable.trust import Artifact
from immutable.volumes import Stateful
from tests.exploration.oracle import Oracle
from tests.exploration.story import STRATEGIES, WEIGHTED, Move, Setting
from tests.support.admitting import adding
from tests.support.images import manifest, spec
from tests.support.mortal import (
    Life,
    Moment,
    MortalBackend,
    MortalJournal,
    Witness,
    mortally,
    say_unless_killed,
)
from tests.support.world import NAME, URL, World, asker, world

__all__ = ["Lab"]

CHANNEL = "web@production"
LATE = 20.0
"""A call is under way for so long at most: the memory backend says that 30 s is the bound."""
PATIENCE = 400_000.0
"""Seconds within which everything ends once nobody disturbs it any more."""
_BEHAVIOURS = {
    "never ready": Behaviour(ready=False),
    "dies": Behaviour(dies_after=lognormal(60, 0.5)),
    "slow": Behaviour(boot=lognormal(170, 0.2)),
    "can't be launched": Behaviour(launchable=False),
}


class Lab:
    """Where a story happens.

    Attributes:
        witness: What must not be is on record there.
    """

    def __init__(self, setting: Setting, w: World, watch: Oracle) -> None:
        self.witness = Witness(watch.breaches)
        self._setting = setting
        self._world = w
        self.watch = watch
        self._random = Random(setting.seed)
        self._lives: dict[Life, asyncio.Task[None]] = {}
        self._frozen: dict[int, float] = {}
        self._images = 1
        self._forbids = 0
        self._calm = self._now = setting.size * 100.0

    @classmethod
    async def open(cls, setting: Setting, stack: AsyncExitStack) -> Self:
        """Furnish one; it is closed with *stack*."""
        asyncio.get_running_loop().set_exception_handler(say_unless_killed)
        laws = Laws(
            boot=lognormal(setting.boot + 1, 0.6, least=1), drain=fixed(4), terminate=fixed(6)
        )
        w = await stack.enter_async_context(
            world(
                setting.size, laws=laws, stale=setting.stale, seed=setting.seed, watch=Oracle,
                volumes=(Volume("data", "/data"),) if setting.stateful else (),
                tells=setting.feed != "none",
            )
        )  # fmt: skip
        watch = w.backend
        assert isinstance(watch, Oracle)
        cls._feed(w.cloud, setting)
        able = watch.capabilities
        watch.capabilities = evolve(
            able, weighted_traffic=setting.weighted, traffic_stats=setting.weighted
        )
        w.truth.clients.rate, w.truth.clients.at = 20.0, w.cloud.at
        watch.attend(w.journal)
        lab = cls(setting, w, watch)
        await lab._list("v1")
        if setting.seed % 3 == 0:
            # All controllers are of one process here, and share what there is little of.
            places().of(URL).tell(Rate(burst=4, per_second=0.1), max(1, setting.size))
        stack.push_async_callback(lab._close)
        for name in w.members()[: setting.sick]:
            w.cloud.set_state(w.truth, name, "unready")
        if setting.scaled:
            w.cloud.autoscale(NAME, Tracking(lambda _: lab._now, target=100.0, every=47.0))
        return lab

    @staticmethod
    def _feed(cloud: Cloud, setting: Setting) -> None:
        """Let what the cloud tells of changes be as good, or as bad, as the story has it."""
        cloud.feed.silent = setting.feed == "silent"
        cloud.feed.spurious = 0.3 if setting.feed == "spurious" else None
        if setting.feed == "breaks":
            cloud.faults.add(Fault("changed", lambda: Transient("reset"), times=None, chance=0.3))

    async def _close(self) -> None:
        for life, task in self._lives.items():
            life.dead.set()
            task.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    async def make(self, move: Move) -> None:
        """Wait until it is time for a move, and make it."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, move.at - now))
        self._world.cloud.advance()
        self.watch.say("->", str(move))
        await getattr(self, f"_{move.what}")(*move.args)

    # -- users ---------------------------------------------------------------------------------

    def _limits(self, strategy: str = "") -> Limits:
        surge = "100%" if strategy in WEIGHTED else self._setting.surge
        return Limits(
            surge,
            self._setting.unavailable,
            min_ready=5,
            boot_timeout=180,
            drain_timeout=30,
            hedge=self._setting.hedge,
        )

    async def _image(self, quality: str) -> str:
        self._images += 1
        image = f"v{self._images}"
        await self._list(image)
        if quality in _BEHAVIOURS:
            self._world.cloud.behaviours[image] = _BEHAVIOURS[quality]
        return image

    def _command(self, doing: Callable[[Fleet], Awaitable[object]]) -> None:
        """Let a new controller do something."""
        stops = self._stops(len(self._lives))
        life = Life(self.witness, stops=stops)
        self._lives[life] = asyncio.ensure_future(self._live(doing, life))

    def _stops(self, which: int) -> Callable[[int, Moment], float]:
        def seconds(number: int, moment: Moment) -> float:
            # What is on its way to the cloud arrives within the time that the cloud allows.
            if moment is Moment.BEFORE and self._frozen.get(which, 0.0) > LATE:
                return 0.0
            return self._frozen.pop(which, 0.0)

        return seconds

    async def _live(self, doing: Callable[[Fleet], Awaitable[object]], life: Life) -> None:
        asker.set(life)
        jitter.set(self._random)
        try:
            await mortally(self._connected(doing, life), life)
        except ImmutableError as error:
            self.watch.say("user", f"hears: {type(error).__name__} {error}"[:200])
        except Exception as error:  # noqa: BLE001  # That is what is looked for.
            self.watch.fault(f"a controller failed: {error!r}")

    async def _connected(self, doing: Callable[[Fleet], Awaitable[object]], life: Life) -> None:
        w = self._world
        backend, journal = MortalBackend(w.backend, life), MortalJournal(w.journal, life)
        async with Fleet.connect(URL, backend=backend, journal=journal, clock=w.clock) as fleet:
            await doing(fleet)

    async def _replace(self, strategy: str, quality: str, supersede: bool = False) -> None:
        image = await self._image(quality)
        how, limits = STRATEGIES[strategy], self._limits(strategy)
        saved = Stateful(snapshot=True) if self._setting.stateful else None

        def doing(fleet: Fleet) -> Awaitable[object]:
            ways = {"limits": limits, "supersede": supersede, "stateful": saved}
            return fleet.replace(image, how, **ways).end()

        self._command(doing)

    async def _promote(self, strategy: str, quality: str) -> None:
        """Point a channel at a new image, and let the fleet go where that points by then."""
        image = await self._image(quality)
        how, limits = STRATEGIES[strategy], self._limits(strategy)

        async def doing(fleet: Fleet) -> object:
            await self._world.journal.change_catalog(
                lambda catalog, now: assign(catalog, CHANNEL, f"web:{image}", now, actor="ada")
            )
            return await fleet.replace(CHANNEL, how, limits=limits).end()

        self._command(doing)

    async def _supersede(self, strategy: str, quality: str) -> None:
        await self._replace(strategy, quality, supersede=True)

    async def _scale(self, size: int) -> None:
        self._command(lambda fleet: fleet.scale(size, limits=self._limits()))

    async def _repair(self, which: int, count: int) -> None:
        """Somebody touches some servers; who has been touched is replaced."""
        names = self._world.members()
        for number in range(min(count, len(names))):
            name = names[(which + number) % len(names)]
            self._world.cloud.altered.alter(name, DriftCode.FILES, "/etc/passwd")
        limits = self._limits()
        self._command(lambda fleet: fleet.repair(limits=limits).end())

    async def _rollback(self) -> None:
        limits = self._limits("canary" if self._setting.weighted else "")
        self._command(lambda fleet: fleet.rollback(limits=limits).end())

    async def _recover(self) -> None:
        self._command(lambda fleet: fleet.recover().end())

    async def _order(self, order: str) -> None:
        journal = self._world.journal
        for entry in await journal.entries(unfinished=True):
            with suppress(JournalError):
                await journal.order(entry.rollout, Order(order), actor="operator", reason="")

    # -- the catalog ---------------------------------------------------------------------------

    async def _list(self, image: str) -> None:
        """Put an image into the catalog."""
        made = manifest(spec=spec(version=image), artifacts=(Artifact("memory", "", image),))
        await self._world.journal.change_catalog(lambda catalog, _: add(catalog, adding(made)))

    async def _revoke(self, back: int) -> None:
        image = f"v{max(1, self._images - back)}"
        await self._world.journal.change_catalog(
            lambda catalog, now: revoke(
                catalog, f"web:{image}", now, reason="bad", actor="ada", force=True
            )
        )
        self.watch.revoked.setdefault(image, self._world.cloud.at)

    async def _restore(self) -> None:
        for image in list(self.watch.revoked):
            del self.watch.revoked[image]
            await self._world.journal.change_catalog(
                lambda catalog, _, image=image: restore(
                    catalog, f"web:{image}", reason="was good", actor="ada"
                )
            )

    async def _forbid(self, seconds: float) -> None:
        """Let the fleet carry a policy for a while that lets nothing pass."""
        nothing = Policy([BuiltBy("https://nobody.example.com")])
        await self._carry(nothing)
        self.watch.forbidden = self._world.cloud.at
        self._forbids += 1
        self._lift = asyncio.ensure_future(self._lifted(self._forbids, seconds))

    async def _lifted(self, which: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if which == self._forbids:
            await self._allow()

    async def _allow(self) -> None:
        self._forbids += 1
        self.watch.forbidden = None
        await self._carry(None)

    async def _carry(self, policy: Policy | None) -> None:
        await self._world.journal.change_catalog(
            lambda catalog, _: set_policy(catalog, URL, policy, actor="ada")
        )

    # -- controllers ---------------------------------------------------------------------------

    def _alive(self) -> list[tuple[int, Life, asyncio.Task[None]]]:
        return [
            (number, life, task)
            for number, (life, task) in enumerate(self._lives.items())
            if not task.done()
        ]

    async def _crash(self, calls: int, moment: str, late: float) -> None:
        for _, life, _ in self._alive()[-1:]:
            life.doom(calls, Moment(moment), min(late, LATE))

    async def _freeze(self, seconds: float) -> None:
        for number, _, _ in self._alive()[-1:]:
            self._frozen[number] = seconds

    async def _stop(self) -> None:
        for _, _, task in self._alive()[-1:]:
            task.cancel()

    # -- the cloud -----------------------------------------------------------------------------

    async def _fault(self, call: str, kind: str, chance: float, times: int) -> None:
        error: Callable[[], Any] = lambda: Transient("503")  # noqa: E731
        when, delay = When.BEFORE, 0.0
        if kind == "throttled":
            error = lambda: Throttled("slow down")  # noqa: E731
        elif kind != "refused before":
            late = kind == "late" and call not in ("observe", "*")
            when, delay = (When.LATE if late else When.AFTER), LATE
        self._world.cloud.faults.add(Fault(call, error, when, times, chance, delay))

    async def _kill(self, which: int) -> None:
        names = self._world.members()
        if names:
            self._world.cloud.kill(NAME, names[which % len(names)])

    async def _sicken(self, which: int, seconds: float) -> None:
        w, names = self._world, self._world.members("ready")
        if names:
            name = names[which % len(names)]
            w.cloud.set_state(w.truth, name, "unready")
            w.cloud.after(seconds, lambda: w.cloud.set_state(w.truth, name, "ready", "unready"))

    async def _shortage(self, seconds: float) -> None:
        cloud = self._world.cloud
        cloud.capacity.update(dict.fromkeys(cloud.zones, 0))
        cloud.after(seconds, cloud.capacity.clear)

    async def _quota(self, above: int, seconds: float) -> None:
        cloud = self._world.cloud
        cloud.quota.total = len(self._world.truth.servers) + above
        cloud.after(seconds, lambda: setattr(cloud.quota, "total", None))

    async def _rates(self, seconds: float) -> None:
        cloud = self._world.cloud
        cloud.rates.calls["*"] = Rate(burst=4, per_second=0.25)
        cloud.after(seconds, cloud.rates.calls.clear)

    async def _load(self, factor: float) -> None:
        self._now = self._calm * factor

    async def _resize(self, by: int) -> None:
        w = self._world
        group = max(w.truth.groups.values(), key=lambda each: each.shown.size)
        w.cloud.resize(NAME, group.shown.number, max(0, group.shown.size + by))

    async def _hazard(self, mean: float, seconds: float) -> None:
        cloud = self._world.cloud
        cloud.hazard = exponential(mean)
        cloud.after(seconds, lambda: setattr(cloud, "hazard", None))

    # -- the end -------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Stop disturbing: everything has to come to an end, and the fleet whole."""
        w = self._world
        w.cloud.advance()
        w.cloud.faults.planned.clear()
        w.cloud.capacity.clear()
        w.cloud.rates.calls.clear()
        w.cloud.hazard, w.cloud.quota.total = None, None
        await self._restore()
        await self._allow()
        self.watch.say("->", "nobody disturbs it any more")
        try:
            async with asyncio.timeout(PATIENCE):
                await self._ended()
        except TimeoutError:
            self.watch.fault(f"no end within {PATIENCE:g} s")
            return
        w.truth.scaler = None
        await self._made_whole()

    async def _ended(self) -> None:
        round_ = 0
        while (entries := await self._world.journal.entries(unfinished=True)) or self._alive():
            if entries and not any(entry.live for entry in entries):
                await self._recover()
            if round_ % 10 == 9:
                for order in (Order.RESUME, Order.PROMOTE):
                    await self._order(order.value)
            round_ += 1
            await asyncio.sleep(300)

    async def _made_whole(self) -> None:
        """A cancelled or failed rollout may leave two groups: one command makes the fleet whole."""
        w = self._world
        w.cloud.behaviours.clear()  # Onto an image that can't be launched nobody is brought whole.
        for name in w.members("unready"):
            w.cloud.set_state(w.truth, name, "ready")
        if len(w.truth.groups) > 1:
            await asyncio.sleep(4_000)  # Until what was left of holds is over.
            await self._rollback()
            await self._ended()
        if len(w.truth.groups) != 1:
            self.watch.fault(f"a rollback leaves groups {sorted(w.truth.groups)}")
