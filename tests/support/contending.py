"""Several controllers of one rollout at once: they pause, die and race, as a seed says.

``python -m tests.support.contending 17`` lets the race of seed 17 happen again and tells its story.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random

from attrs import frozen

from immutable import BackendError, FleetBusy, NothingToRecover, PlanRefused, PlanStale
from immutable.errors import LeaseLost
from immutable.model import Event
from tests.support.crashes import PATIENCE, SCENARIOS, Picture, Scenario, judge, live, stage
from tests.support.mortal import Life, Moment, Point, Stops, Witness
from tests.support.steady import run_steadily
from tests.support.world import World

DEATHS = 12
"""So many controllers die at most: after that the rollout comes to its end."""
LATE = 20.0
"""A call is under way for so long at most: the memory backend says that 30 s is the bound."""
BEATEN = (BackendError, FleetBusy, LeaseLost, NothingToRecover, PlanRefused, PlanStale)
"""What one hears who was not the quickest, or whose call took too long to be heard of."""


@frozen
class Contest:
    """What came of a race.

    Attributes:
        scenario: The rollout.
        lives: How many controllers there were, one after the other or at once.
        deaths: How many of them died.
        pauses: How many were stopped for a while.
        faults: What was wrong.
    """

    scenario: str
    lives: int
    deaths: int
    pauses: int
    faults: tuple[str, ...]


async def contend(seed: int, *, tell: Callable[[Event], object] | None = None) -> Contest:
    """Let two or three controllers race to bring a rollout to its end.

    One begins it, the others recover it, each at a time of its own. Each is stopped at random
    calls, may die at one, and is followed by another. All that happens follows from the seed.

    Args:
        seed: Equal seeds give equal races.
        tell: Hears the records of the rollout.
    """
    random = Random(seed)
    scenario = random.choice(SCENARIOS)
    async with stage(scenario) as w:
        before, witness, lives = Picture.of(w), Witness(), list[Life]()
        seeds = [random.randrange(1 << 32) for _ in range(random.choice((2, 3)))]
        racers = [
            _race(w, scenario, witness, lives, Random(each), begins=each == seeds[0])
            for each in seeds
        ]
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*racers)
        except TimeoutError:
            witness.faults.append(f"no end within {PATIENCE:g} s")
        if tell is not None:
            for entry in await w.journal.entries():
                for event in await w.journal.events(entry.rollout):
                    tell(event)
        return Contest(
            str(scenario),
            len(lives),
            sum(life.dead.is_set() for life in lives),
            sum(life.stopped for life in lives),
            (*witness.faults, *await judge(w, scenario, before)),
        )


async def _race(
    w: World,
    scenario: Scenario,
    witness: Witness,
    lives: list[Life],
    random: Random,
    *,
    begins: bool,
) -> None:
    """Be one controller after the other, until the rollout has ended.

    Only one of those who race begins it: two who ask for the same, one late, get it twice.
    """
    while True:
        await asyncio.sleep(random.uniform(0, 25))
        entries = await w.journal.entries()
        if entries and entries[0].status.ended:
            return
        if not entries:
            if not begins:
                continue
            # What a predecessor sent may arrive yet, and one who dawdles may find it ended.
            await asyncio.sleep(LATE)
            entries = await w.journal.entries()
        stops = _pauses(random) if entries else _never
        mortal = sum(life.dead.is_set() for life in lives) < DEATHS and random.random() < 0.7
        lives.append(Life(witness, _death(random) if mortal else None, stops))
        with suppress(BEATEN):
            await live(w, scenario, lives[-1])


def _death(random: Random) -> Point:
    """Die soon: most of what can go wrong does so in the first passes after taking over."""
    call = int(random.expovariate(1 / 20))
    return Point(call, random.choice(list(Moment)), random.uniform(0, LATE))


def _never(number: int, moment: Moment) -> float:
    return 0.0


def _pauses(random: Random) -> Stops:
    """Stop at one call of twenty, mostly for longer than a lease lasts."""

    def seconds(number: int, moment: Moment) -> float:
        if random.random() >= 0.025:
            return 0.0
        return random.uniform(0, LATE if moment is Moment.BEFORE else 60.0)

    return seconds


def race(seed: int) -> Contest:
    """Let the race of a seed happen, in a process in which nothing minds blocking."""
    return run_steadily(contend(seed))


def _tell(event: Event) -> None:
    sys.stdout.write(f"{event.at - 1.8e9:8.1f}  {event.record}\n")


if __name__ == "__main__":
    sys.stdout.write(f"{run_steadily(contend(int(sys.argv[1]), tell=_tell))}\n")
