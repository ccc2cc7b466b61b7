"""What has to be true of every single look, and from one look to the next."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from immutable.backend import FleetState, Instance, InstanceState
from immutable.testing.outcome import Breach
from immutable.testing.rules import described

__all__ = ["EVERY_LOOK", "Scrutiny", "breach"]

EVERY_LOOK = ("B1", "B2", "C1", "O5", "R2", "V1", "V2", "V3", "V4", "V5", "W1")
"""The rules that every look of every check is held against."""

_LIVE = (InstanceState.STARTING, InstanceState.READY, InstanceState.UNREADY)
_EXACT = 1e-6


def breach(text: str, *rules: str) -> Breach:
    """Return the failure of a check: what was seen, then what the rules say."""
    return Breach(f"{text}\n{described(rules)}")


@define
class Scrutiny:
    """Holds every look that a check takes against what it may never show.

    Attributes:
        lagging: Whether looks may be old: then sizes and members need not fit.
        known: Every instance that was ever seen, as it was seen first.
        slots: Which slot an instance was seen in first, by its id.
        volumes: The identity of each volume that was ever seen, by slot and name.
        at: When the newest look was true.
    """

    lagging: bool = False
    known: dict[str, Instance] = field(factory=dict)
    slots: dict[str, str] = field(factory=dict)
    volumes: dict[tuple[str, str], str] = field(factory=dict)
    at: float = float("-inf")

    def hold(self, state: FleetState) -> FleetState:
        """Return *state* if there is nothing against it.

        Raises:
            Breach: There is.
        """
        if state.at < self.at:
            raise breach(f"`at` went back from {self.at} to {state.at}", "C1")
        self.at = state.at
        names = Counter(each.id for each in state.instances)
        twice = [name for name, times in names.items() if times > 1]
        if twice:
            raise breach(f"listed twice in one look: {', '.join(twice)}", "V1")
        for each in state.instances:
            self._instance(state, each)
        self._groups(state)
        self._slots(state)
        return state

    def _slots(self, state: FleetState) -> None:
        holders: dict[str, str] = {}
        for each in state.instances:
            if not each.slot or each.state is InstanceState.GONE:
                continue
            other = holders.setdefault(each.slot, each.id)
            if other != each.id:
                raise breach(f"slot {each.slot} has two holders: {other}, {each.id}", "B2")
            first = self.slots.setdefault(each.id, each.slot)
            if first != each.slot:
                raise breach(f"{each.id} had slot {first}, and now has {each.slot}", "B2")
        for slot in state.slots:
            for name, identity in slot.volumes.items():
                was = self.volumes.setdefault((slot.name, name), identity)
                if was != identity:
                    what = f"slot {slot.name}'s {name} was {was}, and now is {identity}"
                    raise breach(what, "B1", "B5")

    def _instance(self, state: FleetState, each: Instance) -> None:
        if not each.id:
            raise breach(f"a member without an id: {each}", "V1")
        if (each.ready_since is not None) != (each.state is InstanceState.READY):
            raise breach(f"{each.id} is {each.state} with ready_since={each.ready_since}", "V3")
        since = each.launched_at if each.ready_since is None else each.ready_since
        if not each.launched_at - 1 <= since <= state.at + 1:
            raise breach(
                f"{each.id}: launched_at={each.launched_at}, ready_since={each.ready_since}"
                f" in a look of at={state.at}",
                "C1",
            )
        if state.complete and each.state is InstanceState.GONE:
            raise breach(f"{each.id} is listed as GONE in a complete look", "O5")
        first = self.known.setdefault(each.id, each)
        facts = [(i.revision, i.zone, i.launched_at) for i in (first, each)]
        if facts[0] != facts[1]:
            raise breach(
                f"{each.id} was (revision, zone, launched_at)={facts[0]}, and now is {facts[1]}",
                "V2",
            )

    def _groups(self, state: FleetState) -> None:
        numbers = [group.number for group in state.groups]
        if len(set(numbers)) < len(numbers) or max(numbers, default=0) > state.last_revision:
            raise breach(f"groups {numbers} with last_revision={state.last_revision}", "R2")
        weights = [group.weight for group in state.groups]
        given = [weight for weight in weights if weight is not None]
        if given and (len(given) < len(weights) or abs(sum(given) - 100) > _EXACT):
            raise breach(f"the groups have weights {weights}: all or none, 100 together", "W1")
        for group in state.groups:
            if group.size < 0:
                raise breach(f"r{group.number} has size {group.size}", "V4")
            members = state.members(group.number)
            live = sum(each.state in _LIVE for each in members)
            still = live == len(members) and state.complete and not self.lagging
            if still and group.size < live:
                raise breach(
                    f"r{group.number} is told with size {group.size} and {live} live members,"
                    " of which none leaves",
                    "V5",
                    "V4",
                )
