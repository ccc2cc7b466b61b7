"""What is going to happen, as data: a setting, and moves of users, clouds and controllers in time.

Equal stories happen equally, so one that fails can be told again, and made shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from attrs import evolve, field, frozen

from immutable import BlueGreen, Canary, Rolling
from immutable.gates import Health
from immutable.model import Order, Strategy
from tests.support.mortal import Moment

__all__ = [
    "CALLS",
    "FEEDS",
    "KINDS",
    "QUALITIES",
    "SHARES",
    "STRATEGIES",
    "Move",
    "Setting",
    "Story",
    "drawn",
]

HEALTHY = (Health(),)
STRATEGIES: dict[str, Strategy] = {
    "rolling": Rolling(),
    "unproven": Rolling(probe=False),
    "blue/green": BlueGreen(bake=60, keep_stable=100),
    "canary": Canary(("10%", "40%"), bake=60, gates=HEALTHY),
    "judged": Canary(("25%",), bake=60),
    "stages": Canary(("20%", "60%"), bake=30, gates=HEALTHY),
}
WEIGHTED = ("blue/green", "canary", "judged")
QUALITIES = ("good", "good", "good", "good", "never ready", "dies", "slow", "can't be launched")
CALLS = (
    "observe", "grow", "retire", "hold", "create_revision", "release", "delete_revision", "route",
    "settle", "*",
)  # fmt: skip
KINDS = ("throttled", "lost", "refused before", "late")
FEEDS = ("none", "none", "none", "works", "works", "spurious", "silent", "breaks")
SHARES = ("0%", "5%", "10%", "25%", "33%", "50%", "100%")


@frozen
class Setting:
    """How a fleet and its cloud are at first.

    Attributes:
        size: How many servers it has.
        surge: `Limits.max_surge` of all rollouts but those that need a double fleet.
        unavailable: `Limits.max_unavailable` of all.
        boot: The mean of the boot law, in seconds.
        seed: Equal seeds give equal clouds.
        stale: By how many seconds looks may be old.
        weighted: Whether the cloud has weights.
        sick: How many servers aren't READY at first.
        scaled: Whether automatic scaling moves the fleet; if not, its size has to come out exactly.
        stateful: Whether its servers have volumes, of which each has one writer.
        feed: How its cloud tells of changes, of `FEEDS`.
        hedge: Whether late boots may have duplicates.
    """

    size: int = 4
    surge: int | str = 1
    unavailable: int | str = 0
    boot: float = 20.0
    seed: int = 0
    stale: float = 0.0
    weighted: bool = True
    sick: int = 0
    scaled: bool = False
    stateful: bool = False
    feed: str = "none"
    hedge: bool = False


@frozen
class Move:
    """Something that somebody does, or that happens.

    Attributes:
        at: When, in seconds from the beginning.
        what: Its kind: a method of `Lab`.
        args: What it needs.
    """

    at: float
    what: str
    args: tuple[str | int | float, ...] = ()

    def __str__(self) -> str:
        shown = [f"{arg:g}" if isinstance(arg, float) else str(arg) for arg in self.args]
        return f"{self.what}({', '.join(shown)})"


@frozen
class Story:
    """A setting and the moves, in order of time."""

    setting: Setting = field(factory=Setting)
    moves: tuple[Move, ...] = ()

    def simpler(self) -> list[Story]:
        """Return stories with a plainer setting, the plainest first."""
        plain, now = Setting(seed=self.setting.seed), self.setting
        changed = [
            evolve(now, **{name: getattr(plain, name)})
            for name in (
                "stale",
                "sick",
                "unavailable",
                "surge",
                "boot",
                "weighted",
                "scaled",
                "stateful",
                "feed",
                "hedge",
            )
        ]
        changed += [evolve(now, size=size) for size in (2, 4, now.size // 2)]
        still = {0, "0%"}
        return [
            Story(each, self.moves)
            for each in changed
            if each != now and not {each.surge, each.unavailable} <= still
        ]


# -- stories by chance ----------------------------------------------------------------------------


def drawn(seed: int, commands: int = 6) -> Story:
    """Return the story of a seed, in which users give so many commands."""
    random = Random(seed)
    # Of its own, so that a story without volumes and repairs is what it was before there were any.
    other = Random(f"{seed} other")
    setting = _stateful(other, _setting(random))
    setting = evolve(setting, feed=Random(f"{seed} feed").choice(FEEDS))
    setting = evolve(setting, hedge=Random(f"{seed} hedge").random() < 0.5)
    moves, now = list[Move](), 0.0
    for _ in range(commands):
        now += random.choice((5, 60, 300, 900))
        moves.append(_command(random, now, setting))
        if other.random() < 0.2:
            later = now + other.expovariate(1 / 300)
            moves.append(Move(later, "repair", (other.randrange(1000), other.randrange(1, 5))))
        for _ in range(random.choice((0, 1, 2, 4, 7))):
            moves.append(random.choice(_TROUBLES)(random, now + random.expovariate(1 / 150)))
    return Story(setting, tuple(sorted(moves, key=lambda move: move.at)))


def _setting(random: Random) -> Setting:
    counts = (0, 1, 2, random.randrange(13), *(s for s in SHARES if s != "0%"))
    surge, unavailable = random.choice(counts), random.choice((0, 0, 0, *counts))
    if (surge, unavailable) == (0, 0):
        surge = 1
    return Setting(
        size=random.choice([random.randrange(most) for most in (13, 13, 60, 201)]),
        surge=surge,
        unavailable=unavailable,
        boot=round(random.uniform(2, 60), 1),
        seed=random.randrange(1 << 16),
        stale=random.choice((0.0, 0.0, 3.0, 8.0)),
        weighted=random.random() < 0.7,
        sick=random.choice((0, 0, 0, 1, 3)),
        scaled=random.random() < 0.5,
    )


def _stateful(random: Random, setting: Setting) -> Setting:
    """Give a fifth of all fleets volumes: nobody starts beside another there."""
    if random.random() >= 0.2:
        return setting
    unavailable = setting.unavailable if setting.unavailable not in (0, "0%") else 1
    return evolve(setting, surge=0, unavailable=unavailable, weighted=False, stateful=True)


def _command(random: Random, at: float, setting: Setting) -> Move:
    chance = random.random()
    if chance < 0.75:
        kinds = [name for name in STRATEGIES if setting.weighted or name not in WEIGHTED]
        what = random.choice(("supersede", "promote", "replace", "replace"))
        return Move(at, what, (random.choice(kinds), random.choice(QUALITIES)))
    if chance < 0.9:
        return Move(at, "scale", (max(0, setting.size + random.randrange(-4, 6)),))
    return Move(at, "rollback")


_ORDERS = (Order.PAUSE, Order.RESUME, Order.PROMOTE, Order.ABORT, Order.CANCEL)
_MOMENTS = tuple(Moment)


def _fault(random: Random, at: float) -> Move:
    chance, times = round(random.uniform(0.05, 0.5), 2), random.randrange(1, 13)
    return Move(at, "fault", (random.choice(CALLS), random.choice(KINDS), chance, times))


def _death(random: Random, at: float) -> Move:
    late = round(random.uniform(0, 20), 1)
    return Move(at, "crash", (random.randrange(9), random.choice(_MOMENTS).value, late))


_TROUBLES: tuple[Callable[[Random, float], Move], ...] = (
    _fault,
    _fault,
    _death,
    _death,
    lambda random, at: Move(at, "freeze", (round(random.uniform(1, 60), 1),)),
    lambda random, at: Move(at, "stop"),
    lambda random, at: Move(at, "recover"),
    lambda random, at: Move(at, "order", (random.choice(_ORDERS).value,)),
    lambda random, at: Move(at, "kill", (random.randrange(1000),)),
    lambda random, at: Move(at, "kill", (random.randrange(1000),)),
    lambda random, at: Move(at, "sicken", (random.randrange(1000), random.choice((4, 40, 400)))),
    lambda random, at: Move(at, "shortage", (round(random.uniform(10, 2000), 1),)),
    lambda random, at: Move(at, "quota", (random.randrange(4), round(random.uniform(10, 900), 1))),
    lambda random, at: Move(at, "rates", (round(random.uniform(10, 600), 1),)),
    lambda random, at: Move(at, "load", (round(random.uniform(0.4, 1.8), 2),)),
    lambda random, at: Move(at, "resize", (random.randrange(-3, 6),)),
    lambda random, at: Move(at, "hazard", (round(random.uniform(300, 3000)), 600.0)),
    lambda random, at: Move(at, "revoke", (random.randrange(3),)),
    lambda random, at: Move(at, "restore"),
    lambda random, at: Move(at, "forbid", (round(random.uniform(10, 2000), 1),)),
)
