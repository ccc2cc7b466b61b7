"""Room for servers above what fleets want, shared: never too much, and never a deadlock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from immutable.planning.surging import Need, Surge, even

PART = Need(limit=4)


def whole(stage, later=None, above=0):
    return Need(above, stage, later or stage, stage)


def test_a_rolling_one_takes_any_part_and_two_share_what_is_there():
    surge = Surge(6)
    assert surge.ask("a", 4, PART, 0.0) == 4
    surge.take("a", 4)
    assert surge.ask("b", 4, PART, 0.0) == 2
    surge.take("b", 2)
    assert surge.above == 6
    # One of a's goes. There is room for one: it is for b, which has less.
    assert surge.look("a", evolve(PART, above=3))
    assert surge.ask("a", 1, evolve(PART, above=3), 0.0) == 0
    assert surge.ask("b", 2, evolve(PART, above=2), 0.0) == 1


def test_one_that_stands_beside_gets_all_of_it_or_none():
    surge = Surge(10)
    assert surge.ask("blue", 1, whole(6), 0.0) == 1  # Its probe; the other five are kept for it.
    surge.take("blue", 1)
    assert surge.ask("green", 1, whole(6), 0.0) == 0
    # None before one that waits, though there is room.
    assert surge.ask("small", 1, PART, 0.0) == 0
    assert surge.ask("blue", 5, whole(6, above=1), 0.0) == 5
    surge.take("blue", 5)
    assert surge.leave("blue")
    assert surge.next() == ("green",)
    assert surge.ask("small", 1, PART, 0.0) == 0
    assert surge.ask("green", 6, whole(6), 0.0) == 6
    assert surge.ask("small", 1, PART, 0.0) == 1


def test_who_waits_gets_what_rolling_ones_release():
    surge = Surge(8)
    surge.ask("a", 4, PART, 0.0)
    surge.take("a", 4)
    assert surge.ask("blue", 6, whole(6), 0.0) == 0
    for above in (3, 2):
        surge.look("a", evolve(PART, above=above))
        assert surge.ask("a", 4 - above, evolve(PART, above=above), 0.0) == 0
    assert surge.ask("blue", 6, whole(6), 0.0) == 6
    surge.take("blue", 6)
    # It goes on with one that it needs, as long as anybody else waits.
    surge.look("a", evolve(PART, above=0))
    surge.ask("late", 1, PART, 0.0)
    assert surge.ask("a", 4, PART, 0.0) == 1


def test_two_canaries_do_not_get_half_each():
    surge = Surge(12)
    assert surge.ask("a", 1, whole(1, 10), 0.0) == 1
    surge.take("a", 1)
    assert surge.ask("b", 1, whole(1, 10), 0.0) == 1
    surge.take("b", 1)
    assert surge.ask("a", 4, whole(5, 10, above=1), 0.0) == 4
    surge.take("a", 4)
    # With 5 for both, neither could get 10: b waits until a is through.
    assert surge.ask("b", 4, whole(5, 10, above=1), 0.0) == 0
    assert surge.ask("new", 1, PART, 0.0) == 0
    assert surge.ask("a", 4, whole(9, 10, above=5), 0.0) == 4
    surge.take("a", 4)
    assert surge.leave("a")
    assert surge.ask("b", 4, whole(5, 10, above=1), 0.0) == 4


def test_a_way_back_waits_for_nothing_and_what_it_has_counts():
    surge = Surge(4)
    surge.ask("a", 2, PART, 0.0)
    surge.take("a", 2)
    back = Need(0, free=True)
    surge.look("b", back)
    assert surge.ask("b", 9, back, 0.0) == 9
    surge.take("b", 9)
    assert surge.above == 11
    assert surge.ask("a", 1, evolve(PART, above=2), 0.0) == 0
    assert surge.ask("c", 1, PART, 0.0) == 0
    assert surge.look("b", Need(1, free=True))
    assert surge.ask("c", 1, PART, 0.0) == 1


def test_what_is_there_already_counts_and_is_let_in():
    surge = Surge(6)
    surge.expect("a", 5)
    surge.expect("b", 5)
    assert surge.ask("new", 1, PART, 0.0) == 0
    surge.look("a", Need(3, limit=5, begun=True))
    surge.look("b", Need(0, limit=5, begun=True))
    assert surge.above == 3
    assert surge.ask("new", 3, PART, 0.0) == 3
    assert surge.ask("a", 1, Need(3, limit=5), 0.0) == 0


def test_what_a_cloud_adds_by_itself_counts_and_lets_nobody_in():
    surge = Surge(4)
    surge.look("a", Need(1, 6, 6, 6))
    assert surge.above == 1
    assert surge.ask("b", 4, whole(4), 0.0) == 0
    surge.look("a", Need(0, 6, 6, 6))
    assert surge.ask("b", 4, whole(4), 0.0) == 4


def test_fleets_that_grew_until_nobody_could_go_on_do_all_the_same():
    surge = Surge(20)
    for name in ("a", "b"):
        surge.ask(name, 10, whole(10), 0.0)
        surge.take(name, 10)
    assert surge.ask("a", 2, whole(12, above=10), 0.0) == 0  # b may give something back.
    assert surge.ask("b", 2, whole(12, above=10), 0.0) == 0  # a waits longer.
    assert surge.ask("a", 2, whole(12, above=10), 0.0) == 2


def test_one_that_can_go_on_is_not_passed_over_by_one_that_has_waited_longer_and_can_not():
    surge = Surge(11)
    for name, count, need in (("b", 2, whole(2, 7)), ("a", 5, whole(5, 9)), ("r", 4, PART)):
        assert surge.ask(name, count, need, 0.0) == count
        surge.take(name, count)
    assert surge.ask("b", 5, whole(7, above=2), 0.0) == 0
    assert surge.ask("a", 4, whole(9, above=5), 0.0) == 0
    assert surge.leave("r")
    assert surge.next() == ("b", "a")
    assert surge.ask("b", 5, whole(7, above=2), 0.0) == 0
    assert surge.ask("a", 4, whole(9, above=5), 0.0) == 4


def test_who_is_heard_of_no_more_keeps_nobody_waiting():
    surge = Surge(4)
    surge.ask("a", 2, PART, 0.0)
    surge.take("a", 2)
    assert surge.ask("blue", 4, whole(4), 0.0) == 0
    assert surge.ask("b", 1, PART, 100.0) == 0
    assert surge.ask("b", 1, PART, 121.0) == 1


def test_who_needs_nothing_now_makes_room():
    surge = Surge(1)
    assert surge.ask("a", 1, PART, 0.0) == 1  # It was let in, and got no launch.
    assert surge.ask("b", 1, PART, 0.0) == 0
    assert surge.rest("a")
    assert surge.next() == ("b",)
    assert not surge.rest("a")
    assert surge.ask("b", 1, PART, 0.0) == 1


@pytest.mark.parametrize(
    ("total", "wanted", "parts"),
    [
        (10, [2, 9, 9], [2, 4, 4]), (10, [9, 9, 9], [3, 3, 4]), (30, [2, 9], [2, 9]),
        (-3, [2, 9], [0, 0]), (0, [], []),
    ],
)  # fmt: skip
def test_parts_are_as_equal_as_they_can_be(total, wanted, parts):
    names = [str(number) for number in range(len(wanted))]
    assert even(total, dict(zip(names, wanted, strict=True))) == dict(
        zip(names, parts, strict=True)
    )


@define
class Walker:
    """A rollout as this module sees it: stages to reach beside, or servers to replace in place."""

    name: str
    stages: tuple[int, ...]  # What stands beside in each; none of them for a rolling one.
    left: int  # For a rolling one: how many are to be replaced.
    limit: int
    above: int = 0
    stage: int = 0
    back: bool = False
    asked: int = field(default=0, init=False)

    @property
    def over(self):
        return not self.above and (self.back or (not self.stages and not self.left))

    def need(self):
        stage = self.stages[self.stage] if self.stages else 0
        later = max(self.stages[self.stage :], default=0)
        return Need(self.above, stage, later, self.limit, free=self.back)

    def goes(self, surge: Surge, now: float) -> bool:
        """Do what a rollout does in a pass; returns whether it got on."""
        surge.look(self.name, self.need())
        if self.back:
            self.above = max(0, self.above - 1)
            surge.look(self.name, self.need())
            return True
        if self.stages and self.above >= self.stages[self.stage]:
            surge.rest(self.name)
            self._next_stage(surge)
            return True
        wanted = self.stages[self.stage] if self.stages else min(self.limit, self.left)
        more = max(0, wanted - self.above)
        got = surge.ask(self.name, more, self.need(), now) if more else 0
        if self.stages and got:
            assert got == more, "one that stands beside is of no use with a part"
        surge.take(self.name, got)
        self.above += got
        if got == more:
            surge.rest(self.name)
        replaced = not self.stages and self.above > 0
        if replaced:  # One of its old ones goes.
            self.above, self.left = self.above - 1, self.left - 1
            surge.look(self.name, self.need())
        return bool(got) or replaced

    def _next_stage(self, surge):
        self.stage += 1
        if self.stage == len(self.stages):  # The point of no return, and the old ones go.
            self.stages, self.stage, self.above = (), 0, 0
            surge.look(self.name, self.need())


@st.composite
def walkers(draw, cap) -> list[Walker]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            found.append(Walker(f"r{number}", (), draw(st.integers(1, 8)), draw(st.integers(1, 9))))
        else:
            stages = draw(st.lists(st.integers(1, cap), min_size=1, max_size=3))
            found.append(Walker(f"b{number}", tuple(sorted(stages)), 0, max(stages)))
    return found


def turns(draw, names) -> Iterator[str]:
    """Anybody's turn, in any order; but everybody's once in a while, as they all look in time."""
    while True:
        yield from draw(st.permutations(names))


@given(st.data(), st.integers(1, 12))
def test_never_above_the_cap_and_all_come_to_their_end(data, cap):
    surge, now = Surge(cap), 0.0
    all_ = {each.name: each for each in data.draw(walkers(cap))}
    idle, backs = 0, 0
    for name in turns(data.draw, sorted(all_)):
        each, now = all_[name], now + 1.0
        if each.over:
            surge.leave(name)
            idle += 1
        else:
            if not each.back and each.above and data.draw(st.integers(0, 19)) == 0:
                each.back, backs = True, backs + 1
            idle = 0 if each.goes(surge, now) else idle + 1
        there = sum(each.above for each in all_.values())
        assert there <= cap
        assert surge.above == sum(e.above for e in all_.values())
        if all(each.over for each in all_.values()):
            break
        assert idle <= 3 * len(all_), f"nobody gets on: {all_}"


@given(st.data(), st.integers(2, 12))
def test_one_that_needs_all_is_served_however_many_come_after_it(data, cap):
    surge, served = Surge(cap), 0
    first = Walker("r", (), 3 * cap, cap)
    first.goes(surge, 0.0)
    large = Walker("large", (cap,), 0, cap)
    waiting: list[Walker] = [first]
    for now in range(1, 60 * cap):
        if data.draw(st.booleans()) and len(waiting) < 5:
            waiting.append(Walker(f"late{now}", (), data.draw(st.integers(1, 3)), cap))
        if large.goes(surge, float(now)):
            served = now
            break
        for each in waiting:
            each.goes(surge, float(now))
            if each.over:
                surge.leave(each.name)
        waiting = [each for each in waiting if not each.over]
    # As soon as those that went before it are through.
    assert 0 < served <= 3 * cap + 2
