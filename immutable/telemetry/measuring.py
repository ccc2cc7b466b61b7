"""The metrics of all rollouts that are driven here."""

from __future__ import annotations

from opentelemetry.metrics import Histogram, Meter

from immutable.hooks import Called, Waited
from immutable.model import Plan, Record, Verdict
from immutable.model.records import Ended, Failed, Judged
from immutable.telemetry.attributes import gate_kind
from immutable.telemetry.tracing import Stepped

__all__ = ["Meters"]

_CALLS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LONG = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Bounds of histograms, in seconds: a call ends after a minute, a rollout may take days."""


class Meters:
    """The instruments, made once.

    Args:
        meter: What makes them.
    """

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, text: str, bounds: tuple[float, ...] = _LONG) -> Histogram:
            return meter.create_histogram(
                f"immutable.{name}.duration", "s", text, explicit_bucket_boundaries_advisory=bounds
            )

        self._rollout = seconds("rollout", "How long rollouts took.")
        self._step = seconds("step", "How long steps took.")
        self._wait = seconds("wait", "How long rollouts waited between looks, by cause.")
        self._call = seconds("call", "How long attempts of calls to the backend took.", _CALLS)
        self._throttled = meter.create_counter(
            "immutable.call.throttled", "{call}", "Attempts that the backend refused as too many."
        )
        self._verdicts = meter.create_counter(
            "immutable.gate.verdicts", "{verdict}", "How often a gate came to another verdict."
        )
        self._failed = meter.create_counter(
            "immutable.instances.failed", "{instance}", "Candidate instances that failed."
        )
        self._active = meter.create_up_down_counter(
            "immutable.rollout.active", "{rollout}", "Rollouts that are driven here."
        )

    def driving(self, backend: str, by: int) -> None:
        """Count rollouts that are driven here."""
        self._active.add(by, {"immutable.backend": backend})

    def called(self, backend: str, called: Called) -> None:
        """Count an attempt of a call."""
        about = {"immutable.backend": backend, "immutable.operation": called.call.operation}
        if called.error == "Throttled":
            self._throttled.add(1, about)
        error = {"error.type": called.error} if called.error else {}
        self._call.record(called.seconds, about | error)

    def waited(self, backend: str, waited: Waited) -> None:
        """Count a wait."""
        about = {"immutable.backend": backend, "immutable.wait.cause": waited.cause.value}
        self._wait.record(waited.seconds, about)

    def stepped(self, backend: str, over: Stepped) -> None:
        """Count a step that is over."""
        about = {
            "immutable.backend": backend,
            "immutable.step.kind": over.kind,
            "immutable.direction": over.direction,
        }
        self._step.record(over.seconds, about)

    def happened(
        self, backend: str, plan: Plan, record: Record, before: dict[int, Verdict]
    ) -> None:
        """Count what a record tells.

        Args:
            backend: The backend's name.
            plan: What is carried out.
            record: What happened.
            before: What each gate had said before; a gate that only learned is no news.
        """
        about = {"immutable.backend": backend}
        match record:
            case Ended(status):
                kind = {"immutable.plan.kind": plan.kind.value, "immutable.status": status.value}
                self._rollout.record(record.seconds, about | kind)
            case Failed(ids):
                self._failed.add(len(ids), about)
            case Judged(gate, verdict) if before.get(gate) is not verdict:
                said = {
                    "immutable.gate.kind": gate_kind(plan, gate),
                    "immutable.gate.verdict": verdict.value,
                }
                self._verdicts.add(1, about | said)
