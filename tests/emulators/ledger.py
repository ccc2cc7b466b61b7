"""What was called, what goes wrong with it, and what could not be honoured."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import define, field

from .clock import Clock
from .faults import LATE, REFUSING, Bucket, Fault, Named


@define(eq=False)
class Ledger:
    """The calls of one test.

    Args:
        faults, buckets: what a test wants to go wrong.
        refusing: kinds of faults after which nothing was done; a cloud may have more of them.
        late: by request id, what happens to an answer on its way back.
        failures: what nothing here could honour, and what broke: they fail the test.
        counts, log: every call, also those that a fault refused.
    """

    clock: Clock
    faults: list[Fault] = field(factory=list)
    buckets: list[Bucket] = field(factory=list)
    refusing: frozenset[str] = REFUSING
    late: dict[str, str] = field(factory=dict)
    failures: list[str] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)
    log: list[dict[str, Any]] = field(factory=list)

    def trouble(self, call: Named) -> list[Fault]:
        """What goes wrong with this call; what happens after it is remembered."""
        hits = [fault for fault in self.faults if fault.hits(call)]
        for fault in hits:
            if fault.kind in LATE:
                self.late[call.request_id] = fault.kind
        # A call that one bucket refuses takes nothing from the others.
        now = self.clock.now()
        for bucket in self.buckets:
            if not bucket.take(call, now):
                hits.append(Fault(action=call.name, kind="throttle"))
                break
        for fault in hits:
            if fault.kind in self.refusing:
                self.late.pop(call.request_id, None)
                self.count(call, {}, 0, fault.kind)
                break
        return hits

    def count(self, call: Named, params: Any, status: int, trouble: str | None = None) -> None:
        """Note that a call was made."""
        self.counts[call.name] += 1
        self.log.append(
            {
                "at": self.clock.now(),
                "call": call.name,
                "params": params,
                "status": status,
                "trouble": trouble or self.late.get(call.request_id),
            }
        )

    def told(self) -> list[str]:
        """What was not honoured and what broke, timers too; forgotten when it was told."""
        had = [*self.failures, *self.clock.broken]
        self.failures.clear()
        self.clock.broken.clear()
        return had
