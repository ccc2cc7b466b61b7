"""What the records tell who takes a rollout up: what was intended, who was sent away. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from immutable.model import Action, Event, Retire
from immutable.model.records import Done, Intended, Outcome, Resynced

__all__ = ["intended", "sent"]


def intended(events: Iterable[Event]) -> Iterator[Action]:
    """Yield what the rollout was about to do, whatever became of it."""
    for event in events:
        if isinstance(event.record, Intended):
            yield event.record.action


# Sent a and b, without an answer; found serving later: a. So b was sent, as far as is known.
def sent(events: Iterable[Event]) -> tuple[str, ...]:
    """Return who was sent to retire, or may have been."""
    calls: dict[str, tuple[str, ...]] = {}
    for event in events:
        match event.record:
            case Intended(token, Retire(_, ids)):
                calls[token] = ids
            case Done(token, Outcome.CONFLICT | Outcome.REFUSED):
                calls.pop(token, None)
            case Resynced(_, spared):
                calls = {t: tuple(n for n in ids if n not in spared) for t, ids in calls.items()}
    return tuple(name for ids in calls.values() for name in ids)
