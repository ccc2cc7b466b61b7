"""The hook that makes OpenTelemetry's spans and metrics of what rollouts do; by its API only.

Where spans and metrics go is up to the process: its SDK and exporters. Without an SDK the API does
nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from immutable.errors import ImmutableError
from immutable.hooks import Called, Calling, Driving, LetGo, Notice, Waited
from immutable.model import Event
from immutable.telemetry.attributes import backend_of

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from immutable.telemetry.tracing import Trace

__all__ = ["OpenTelemetry"]

_NAME = "immutable"


class OpenTelemetry:
    """Makes spans and metrics of what rollouts do: to be installed with `immutable.hooks.hooked`.

    A span for each rollout that is driven here, below it one for each step and each attempt of a
    call to the backend. A rollout's span is a child of whatever span is current where the rollout
    is started, and current itself while it is driven: what the backend's own HTTP client is
    instrumented with nests below the calls.

    Args:
        tracer_provider: Where spans go; default the process's.
        meter_provider: Where metrics go; default the process's.

    Raises:
        ImmutableError: The package opentelemetry-api is missing.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.trace") is None:
            raise ImmutableError(
                "telemetry needs opentelemetry-api;"
                " install it with: pip install 'immutable-sdk[otel]'"
            )
        # Loaded when one is made: who wants none shall not need the package.
        from opentelemetry.metrics import get_meter
        from opentelemetry.trace import get_tracer

        from immutable.telemetry.measuring import Meters

        self._tracer = get_tracer(_NAME, tracer_provider=tracer_provider)
        self._meters = Meters(get_meter(_NAME, meter_provider=meter_provider))
        self._traces: dict[str, Trace] = {}

    def __call__(self, notice: Notice) -> None:
        """Take note of what a rollout does."""
        from immutable.telemetry.tracing import Trace

        what, backend = notice.what, backend_of(notice.fleet)
        if isinstance(what, Driving):
            self._traces[notice.rollout] = Trace(self._tracer, notice, what)
            self._meters.driving(backend, 1)
            return
        trace = self._traces.get(notice.rollout)
        if trace is None:  # It ended before it was begun with, or is no rollout.
            return
        match what:
            case Calling():
                trace.calling(what, notice.at)
            case Called():
                trace.called(what, notice.at)
                self._meters.called(backend, what)
            case Waited():
                self._meters.waited(backend, what)
            case LetGo():
                del self._traces[notice.rollout]
                trace.let_go(what, notice.at)
                self._meters.driving(backend, -1)
            case Event():
                self._meters.happened(backend, trace.plan, what.record, trace.judged)
                over = trace.happened(what)
                if over is not None:
                    self._meters.stepped(backend, over)
