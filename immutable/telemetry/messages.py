"""Which events of a rollout others are notified of, and what they are told. Pure.

Everything is derived from the journal's records, so whoever carries a rollout on derives the same
messages, under the same identifiers.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from immutable.hooks import Drifted
from immutable.model import Approval, Bake, Event, Order, Plan, Verdict
from immutable.model.records import Ended, Entered, Judged, Ordered, Paused, Started, Turned
from immutable.planning.goals import gates

__all__ = ["TYPES", "Course", "Message", "of_drift"]

TYPES = (
    "rollout.begun",
    "rollout.paused",
    "rollout.resumed",
    "rollout.approval_wanted",
    "rollout.gate",
    "rollout.turned",
    "rollout.ended",
    "fleet.drifted",
)
"""The types of messages."""

_LONGEST = 2_000
"""Characters of a text; all of a message shall stay below 20 kB."""
_SOME = 100
"""Instances that are named."""

_Said = tuple[str, dict[str, Any]]
"""A message's type, and what depends on it."""


@frozen
class Message:
    """Something that others are notified of.

    Attributes:
        id: The same for the same event, however often and by whomever it is sent.
        type: One of `TYPES`.
        body: JSON, as it is sent.
    """

    id: str
    type: str
    body: bytes


@define
class Course:
    """One rollout, as far as messages depend on what was before.

    Attributes:
        rollout: Its identifier.
        fleet: The fleet's address.
        plan: What is carried out.
        actor: On whose behalf.
    """

    rollout: str
    fleet: str
    plan: Plan
    actor: str
    _judged: dict[int, Verdict] = field(factory=dict, init=False)

    def message(self, event: Event) -> Message | None:
        """Return what others are told of an event; None for nothing. To be asked in order."""
        said = self._said(event)
        if said is None:
            return None
        kind, about = said
        plan = self.plan
        data = {
            "rollout": self.rollout,
            "fleet": self.fleet,
            "seq": event.seq,
            "kind": plan.kind.value,
            "strategy": plan.strategy,
            "actor": self.actor,
            "from": {"revision": plan.stable.number, "image": str(plan.stable.image)},
            "to": {"revision": plan.candidate.number, "image": str(plan.candidate.image)},
        }
        identity = f"msg_{self.rollout}_{event.seq}"
        return Message(identity, kind, _body(kind, event.at, data | about))

    def _said(self, event: Event) -> _Said | None:
        match event.record:
            case Started():
                return "rollout.begun", {"wanted": event.record.wanted}
            case Paused(reason):
                return "rollout.paused", {"reason": _short(reason), "by": "gate"}
            case Ordered(_, Order.PAUSE | Order.RESUME as order, actor, reason):
                kind = "rollout.paused" if order is Order.PAUSE else "rollout.resumed"
                return kind, {"reason": _short(reason), "by": actor}
            case Entered(step):
                return self._entered(step)
            case Judged(gate, verdict, detail):
                return self._verdict(gate, verdict, detail)
            case Turned(reason):
                return "rollout.turned", {"reason": _short(reason)}
            case Ended() as end:
                about = {"status": end.status.value, "reason": _short(end.reason)}
                return "rollout.ended", about | {"seconds": end.seconds}
        return None

    def _entered(self, step: int) -> _Said | None:
        """Return who is asked for an approval, if the step is a bake that waits for one."""
        entered = self.plan.steps[step]
        asked = entered.gates if isinstance(entered, Bake) else ()
        who = [gate.who for gate in asked if isinstance(gate, Approval)]
        return ("rollout.approval_wanted", {"step": step, "who": ", ".join(who)}) if who else None

    def _verdict(self, gate: int, verdict: Verdict, detail: str) -> _Said | None:
        if self._judged.get(gate) is verdict:
            return None  # It has only learned more.
        self._judged[gate] = verdict
        about = {"gate": str(gates(self.plan.steps)[gate]), "verdict": verdict.value}
        return "rollout.gate", about | {"detail": _short(detail)}


def of_drift(fleet: str, at: float, drifted: Drifted) -> Message:
    """Return what others are told of a fleet that has drifted."""
    data = {
        "fleet": fleet,
        "drifted": len(drifted.instances),
        "instances": list(drifted.instances[:_SOME]),
        "strays": list(drifted.strays[:_SOME]),
    }
    body = _body("fleet.drifted", at, data)
    return Message(f"msg_drift_{hashlib.sha256(body).hexdigest()[:32]}", "fleet.drifted", body)


def _body(kind: str, at: float, data: dict[str, Any]) -> bytes:
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    said = {"type": kind, "timestamp": when.replace("+00:00", "Z"), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
