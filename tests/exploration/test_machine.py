"""A state machine that Hypothesis drives: it makes the moves, and shortens what fails."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from immutable.model import Order
from tests.exploration.lab import Lab
from tests.exploration.story import (
    CALLS,
    KINDS,
    QUALITIES,
    SHARES,
    STRATEGIES,
    WEIGHTED,
    Move,
    Setting,
)
from tests.support.mortal import Moment
from tests.support.steady import SteadyLoop

counts = st.one_of(st.integers(0, 12), st.sampled_from(SHARES))
SETTINGS = st.builds(
    Setting,
    size=st.one_of(st.integers(0, 12), st.integers(0, 200)),
    surge=counts,
    unavailable=counts,
    boot=st.floats(1, 60),
    seed=st.integers(0, 2**16),
    stale=st.sampled_from([0.0, 0.0, 3.0, 8.0]),
    weighted=st.booleans(),
    sick=st.sampled_from([0, 0, 0, 1, 3]),
    scaled=st.booleans(),
    hedge=st.booleans(),
).filter(lambda each: not {each.surge, each.unavailable} <= {0, "0%"})

pauses = st.one_of(st.floats(0, 30), st.floats(0, 2_000))
qualities = st.sampled_from(QUALITIES)


class Machine(RuleBasedStateMachine):
    """Every rule is a move in the laboratory, made after a pause."""

    @initialize(setting=SETTINGS)
    def furnish(self, setting):
        self.loop, self.stack = SteadyLoop(), AsyncExitStack()
        self.setting, self.now = setting, 0.0
        self.lab = self.run(Lab.open(setting, self.stack))

    def run(self, doing):
        asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(doing)

    def move(self, pause, what, *args):
        self.now += pause
        self.run(self.lab.make(Move(self.now, what, args)))
        assert self.lab.watch.breaches == []

    # -- users ---------------------------------------------------------------------------------

    @rule(pause=pauses, strategy=st.sampled_from(sorted(STRATEGIES)), quality=qualities)
    def replace(self, pause, strategy, quality):
        if self.setting.weighted or strategy not in WEIGHTED:
            self.move(pause, "replace", strategy, quality)

    @rule(pause=pauses, strategy=st.sampled_from(["rolling", "stages"]), quality=qualities)
    def supersede(self, pause, strategy, quality):
        self.move(pause, "supersede", strategy, quality)

    @rule(pause=pauses, size=st.integers(0, 20))
    def scale(self, pause, size):
        self.move(pause, "scale", size)

    @rule(pause=pauses)
    def rollback(self, pause):
        self.move(pause, "rollback")

    @rule(pause=pauses)
    def recover(self, pause):
        self.move(pause, "recover")

    orders = st.sampled_from([Order.PAUSE, Order.RESUME, Order.PROMOTE, Order.ABORT, Order.CANCEL])

    @rule(pause=pauses, order=orders)
    def order(self, pause, order):
        self.move(pause, "order", order.value)

    # -- controllers ---------------------------------------------------------------------------

    @rule(
        pause=pauses,
        calls=st.integers(0, 9),
        moment=st.sampled_from(list(Moment)),
        late=st.floats(0, 20),
    )
    def crash(self, pause, calls, moment, late):
        self.move(pause, "crash", calls, moment.value, late)

    @rule(pause=pauses, seconds=st.floats(1, 60))
    def freeze(self, pause, seconds):
        self.move(pause, "freeze", seconds)

    @rule(pause=pauses)
    def stop(self, pause):
        self.move(pause, "stop")

    # -- the cloud -----------------------------------------------------------------------------

    @rule(
        pause=pauses,
        call=st.sampled_from(CALLS),
        kind=st.sampled_from(KINDS),
        chance=st.floats(0.05, 0.5),
        times=st.integers(1, 12),
    )
    def fault(self, pause, call, kind, chance, times):
        self.move(pause, "fault", call, kind, chance, times)

    @rule(pause=pauses, which=st.integers(0, 1000))
    def kill(self, pause, which):
        self.move(pause, "kill", which)

    @rule(pause=pauses, which=st.integers(0, 1000), seconds=st.sampled_from([4, 40, 400]))
    def sicken(self, pause, which, seconds):
        self.move(pause, "sicken", which, seconds)

    @rule(pause=pauses, seconds=st.floats(10, 2000))
    def shortage(self, pause, seconds):
        self.move(pause, "shortage", seconds)

    @rule(pause=pauses, above=st.integers(0, 3), seconds=st.floats(10, 900))
    def quota(self, pause, above, seconds):
        self.move(pause, "quota", above, seconds)

    @rule(pause=pauses, seconds=st.floats(10, 600))
    def rates(self, pause, seconds):
        self.move(pause, "rates", seconds)

    @rule(pause=pauses, factor=st.floats(0.4, 1.8))
    def load(self, pause, factor):
        self.move(pause, "load", factor)

    @rule(pause=pauses, by=st.integers(-3, 5))
    def resize(self, pause, by):
        self.move(pause, "resize", by)

    @rule(pause=pauses, mean=st.floats(300, 3000))
    def hazard(self, pause, mean):
        self.move(pause, "hazard", mean, 600.0)

    def teardown(self):
        if not hasattr(self, "lab"):
            return
        try:
            if not self.lab.watch.breaches:
                self.run(self.lab.finish())
            assert self.lab.watch.breaches == []
        finally:
            self.run(self.stack.aclose())
            self.loop.close()
            asyncio.set_event_loop(None)


def explored(blockbuster, examples: int, steps: int) -> None:
    blockbuster.deactivate()  # The laboratory's loop does by itself what others give to threads.
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                settings.get_profile(settings.get_current_profile_name()),
                max_examples=examples,
                stateful_step_count=steps,
            ),
        )
    finally:
        blockbuster.activate()


@pytest.mark.timeout(300)
def test_whatever_happens_the_bounds_hold_and_rollouts_end_whole_or_say_what_is_left(blockbuster):
    explored(blockbuster, 40, 15)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_over_many_more_and_longer_schedules(blockbuster):
    explored(blockbuster, 250 if os.environ.get("EXPLORE") else 60, 30)
