"""How rollouts share the room for servers above what their fleets want. Pure.

All rollouts of a place together have at most so many, the cap. Two kinds share it:

* One that replaces a few at a time goes on with any part, one at least. It holds what exists above
  its fleet's size, and gets it anew for each round.
* One whose step has servers stand *beside* those that serve, as blue/green and weighted canaries
  do, is of no use with a part: two that had half each would wait for each other for ever. It gets
  the whole of what a step needs before it grows, and keeps it until no step needs it.

Newcomers are let in in the order in which they came, and none before one that waits, however much
that needs: so nobody starves. A step is granted only when all could still get what their later
steps need, one after the other (Dijkstra's banker, for one resource): so somebody can always go on.
While anybody waits, nobody gets a part beyond the one that it needs, and what others release is
for who waits. Ways back wait for nothing, and what they have counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field, frozen

__all__ = ["Need", "Surge", "even"]

_ABSENT = 120.0
"""Seconds after which who has not asked again waits no more."""


@frozen
class Need:
    """What a rollout has, and what it needs, all in servers above its fleet's size.

    Attributes:
        above: How many exist, or were asked for.
        stage: How many its step needs, all of them; 0 if any part will do.
        later: The most that this step or one to come needs so.
        limit: How many its own limits allow.
        free: Whether it waits for nothing: it goes back, or is past its point of no return.
        begun: Whether it has them by its own doing, without having asked: it was taken over.
    """

    above: int = 0
    stage: int = 0
    later: int = 0
    limit: int = 0
    free: bool = False
    begun: bool = False

    @property
    def least(self) -> int:
        """What it can't go on without."""
        return 0 if self.free else max(1, self.stage)


@frozen
class _Holder:
    """One that has some, and what was granted it; nothing before it is let in."""

    need: Need
    granted: int = 0
    seen: bool = True

    @property
    def held(self) -> int:
        return max(self.need.above, self.granted)

    @property
    def missing(self) -> int:
        """What it may have to get before it gives everything back."""
        return 0 if self.need.free else max(0, self.need.later - self.held)


@define
class Surge:
    """The cap of one place, who has what of it, and who waits.

    Attributes:
        cap: How many there may be.
    """

    cap: int
    _holders: dict[str, _Holder] = field(factory=dict, init=False)
    # Who waits, the first first, with when each asked last: to be let in, and for a larger stage.
    _newcomers: dict[str, float] = field(factory=dict, init=False)
    _growing: dict[str, float] = field(factory=dict, init=False)

    @property
    def above(self) -> int:
        """How many there are, as far as is known."""
        return sum(each.need.above for each in self._holders.values())

    def expect(self, rollout: str, above: int) -> None:
        """Count a rollout that was taken over, until it is seen, as having *above*."""
        self._holders[rollout] = _Holder(Need(above), above, seen=False)

    def look(self, rollout: str, need: Need) -> bool:
        """Take in what a rollout has; returns whether that is less than it was counted with.

        One that was taken over is let in, if it has some. What a cloud adds by itself counts, too.
        """
        known = self._holders.get(rollout)
        before = known.held if known else 0
        if known is not None and known.seen:
            granted = min(known.granted, need.least)
        else:
            granted = need.least if need.begun and need.above else 0
        if need.above or granted:
            self._holders[rollout] = _Holder(need, granted)
        else:
            self._holders.pop(rollout, None)
        return self._held(rollout) < before

    # A cap of 10. One that can go on with a part of 4: 4. One that needs 8 beside: it waits. The
    # first now has 4, 3, 2, 1 as its old ones leave, and gets no more than 1 anew: when it has 2,
    # the other gets 8, and goes on.
    def ask(self, rollout: str, more: int, need: Need, now: float) -> int:
        """Return how many of *more* servers above its fleet's size a rollout may have now.

        What it takes of them is to be told by `take`. Who gets none waits, and asks again.
        """
        if need.free or not more:
            return more
        self._forget_absent(now)
        if rollout in self._holders:
            self._holders[rollout] = evolve(self._holders[rollout], need=need)
        if not self._is_let_in(rollout, need, now):
            return 0
        holder = self._holders[rollout]
        roof = max(self.cap, sum(each.granted for each in self._holders.values()))
        return max(0, min(more, self._allowed(rollout, holder) - need.above, roof - self.above))

    def take(self, rollout: str, count: int) -> None:
        """Count that a rollout has *count* more."""
        if count and rollout in self._holders:
            holder = self._holders[rollout]
            need = evolve(holder.need, above=holder.need.above + count)
            self._holders[rollout] = evolve(holder, need=need)
        elif count:
            self._holders[rollout] = _Holder(Need(count, free=True))

    def rest(self, rollout: str) -> bool:
        """Let a rollout wait no more that did not ask; returns whether it gives something back.

        If it has nothing it needs nothing either, while it bakes or is paused.
        """
        self._newcomers.pop(rollout, None)
        self._growing.pop(rollout, None)
        holder = self._holders.get(rollout)
        return holder is not None and not holder.need.above and self.leave(rollout)

    def leave(self, rollout: str) -> bool:
        """Forget a rollout; returns whether others may get what it had."""
        self._newcomers.pop(rollout, None)
        self._growing.pop(rollout, None)
        return self._holders.pop(rollout, None) is not None

    def next(self) -> tuple[str, ...]:
        """Return who is to ask again when there is more to have."""
        return (*self._growing, *list(self._newcomers)[:1])

    def _held(self, rollout: str) -> int:
        return self._holders[rollout].held if rollout in self._holders else 0

    def _is_let_in(self, rollout: str, need: Need, now: float) -> bool:
        """Whether a rollout has, or gets, what it needs at least; it waits if not."""
        holder = self._holders.get(rollout)
        if holder is None or not holder.granted:
            self._newcomers[rollout] = now  # One that is there keeps its place.
            first = not self._growing and next(iter(self._newcomers)) == rollout
            if not (first and self._is_safe(rollout, need)):
                return False
            del self._newcomers[rollout]
        elif holder.granted < need.least:
            self._growing[rollout] = now
            if not (self._is_safe(rollout, need) or self._is_jammed(rollout)):
                return False
            del self._growing[rollout]
        else:
            return True
        self._holders[rollout] = _Holder(need, need.least)
        return True

    # A cap of 12; two have 1 each and will need 10. One may have 5: it can get 5 more, and give 10
    # back, then the other. If both had 5, 2 would be left, and neither could get its 10.
    def _is_safe(self, rollout: str, need: Need) -> bool:
        """Whether all could end, one after the other, once a rollout has what it needs."""
        then = {**self._holders, rollout: _Holder(need, need.least)}
        free = self.cap - sum(each.held for each in then.values())
        if free < 0:
            return False
        for holder in sorted(then.values(), key=lambda each: each.missing):
            if holder.missing > free:
                return False
            free += holder.held
        return True

    def _is_jammed(self, rollout: str) -> bool:
        """Whether all wait for each other: fleets have grown meanwhile, or the cap was lowered.

        Then who has waited longest goes on, and the cap is exceeded by what that takes.
        """
        going = {name for name, each in self._holders.items() if each.granted or each.need.free}
        if next(iter(self._growing)) != rollout or not going <= self._growing.keys():
            return False
        return not any(self._is_safe(name, self._holders[name].need) for name in self._growing)

    def _allowed(self, rollout: str, holder: _Holder) -> int:
        """Return how many a rollout that was let in may have."""
        if holder.need.stage or self._newcomers or self._growing:
            return holder.granted
        parts = {
            name: each.need.limit for name, each in self._holders.items()
            if each.granted and each.seen and not each.need.stage
        }  # fmt: skip
        others = sum(each.held for name, each in self._holders.items() if name not in parts)
        fair = even(self.cap - others, parts)[rollout]
        spare = max(0, self.cap - sum(each.held for each in self._holders.values()))
        return max(holder.granted, min(fair, holder.held + spare))

    def _forget_absent(self, now: float) -> None:
        for waiting in (self._newcomers, self._growing):
            for name in [name for name, asked in waiting.items() if now - asked > _ABSENT]:
                del waiting[name]


# 10 for those who want 2, 9 and 9: 2, 4 and 4.    10 for 9, 9 and 9: 3, 3 and 4.
def even(total: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return parts of *total*, as equal as they can be and none larger than is wanted."""
    parts, left = {}, max(0, total)
    by_size = sorted(wanted, key=lambda name: wanted[name])
    for number, name in enumerate(by_size):
        parts[name] = min(wanted[name], left // (len(by_size) - number))
        left -= parts[name]
    return parts
