"""The spans of one rollout, as long as it is driven here."""

from __future__ import annotations

from attrs import frozen
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from immutable.hooks import Called, Calling, Driving, LetGo, Notice
from immutable.model import Event, Verdict
from immutable.model import Status as Outcome
from immutable.model.records import Ended, Entered, Judged, Turned
from immutable.telemetry.attributes import of_record, of_rollout, step_kind

__all__ = ["Stepped", "Trace"]


@frozen
class Stepped:
    """A step is over.

    Attributes:
        kind: Its kind, such as ``bake``.
        direction: ``forward`` or ``back``.
        seconds: How long it took, as far as it was driven here.
    """

    kind: str
    direction: str
    seconds: float


class Trace:
    """The spans of one rollout.

    Args:
        tracer: What makes spans.
        notice: That the rollout is driven here.
        driving: What that says.

    Attributes:
        plan: What is carried out.
        judged: What each gate said last, by its number.
    """

    def __init__(self, tracer: Tracer, notice: Notice, driving: Driving) -> None:
        self.plan = driving.plan
        self.judged: dict[int, Verdict] = {}
        self._tracer = tracer
        self._number, self._back, self._began = 0, False, notice.at
        self._calls: dict[Calling, tuple[Span, object]] = {}
        attributes = of_rollout(notice.rollout, notice.fleet, driving)
        self._span = tracer.start_span(
            "immutable.rollout", attributes=attributes, start_time=_ns(notice.at)
        )
        self._current = context.attach(trace.set_span_in_context(self._span))
        for event in driving.events:
            self._follow(event)
        self._step = self._stepping(notice.at)

    def calling(self, call: Calling, at: float) -> None:
        """Begin the span of an attempt, and make it the current one."""
        attributes: dict[str, str | int] = {"immutable.operation": call.operation}
        if call.revision is not None:
            attributes["immutable.revision"] = call.revision
        span = self._tracer.start_span(
            f"immutable.call {call.operation}",
            context=trace.set_span_in_context(self._step),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=_ns(at),
        )
        self._calls[call] = span, context.attach(trace.set_span_in_context(span))

    def called(self, called: Called, at: float) -> None:
        """End the span of an attempt."""
        span, token = self._calls.pop(called.call)
        context.detach(token)  # type: ignore[arg-type]
        _end(span, called.error, at)

    def happened(self, event: Event) -> Stepped | None:
        """Take an event of the journal in; returns the step that it has ended, if it has."""
        said = of_record(self.plan, event.record)
        if said is not None:
            name = f"immutable.{type(event.record).__name__.lower()}"
            self._span.add_event(name, said, _ns(event.at))
        if isinstance(event.record, Ended):
            status = event.record.status
            self._span.set_attribute("immutable.status", status.value)
            if status in (Outcome.FAILED, Outcome.ROLLED_BACK):
                self._span.set_status(Status(StatusCode.ERROR, status.value))
        if not isinstance(event.record, Entered | Turned | Ended):
            self._follow(event)
            return None
        self._step.end(_ns(event.at))
        direction = "back" if self._back else "forward"
        over = Stepped(step_kind(self.plan, self._number), direction, event.at - self._began)
        self._follow(event)
        if not isinstance(event.record, Ended):
            self._step = self._stepping(event.at)
        return over

    def let_go(self, end: LetGo, at: float) -> None:
        """End all spans."""
        for span, _ in self._calls.values():
            _end(span, end.error, at)
        if self._step.is_recording():
            self._step.end(_ns(at))
        context.detach(self._current)
        _end(self._span, end.error, at)

    def _follow(self, event: Event) -> None:
        match event.record:
            case Entered(step):
                self._number = step
            case Turned():
                self._back = True
            case Judged(gate, verdict):
                self.judged[gate] = verdict

    def _stepping(self, at: float) -> Span:
        self._began = at
        return self._tracer.start_span(
            "immutable.step",
            context=trace.set_span_in_context(self._span),
            attributes={
                "immutable.step.index": self._number,
                "immutable.step.kind": step_kind(self.plan, self._number),
                "immutable.direction": "back" if self._back else "forward",
            },
            start_time=_ns(at),
        )


def _end(span: Span, error: str, at: float) -> None:
    """End a span, with the class of what went wrong."""
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR, error))
    span.end(_ns(at))


def _ns(at: float) -> int:
    return int(at * 1e9)
