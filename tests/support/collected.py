"""What OpenTelemetry's own SDK takes down of a rollout, in memory."""

from __future__ import annotations

from attrs import evolve
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from immutable import Canary
from immutable.gates import Health
from immutable.hooks import hooked
from immutable.telemetry import OpenTelemetry
from immutable.testing import run
from tests.support.world import LIMITS, world

ROOM = evolve(LIMITS, max_surge="100%")
CANARY = Canary(("50%",), bake=300, gates=(Health(),))
KINDS = ["shift", "route", "bake", "shift", "route", "bake", "commit"]


class Collected:
    """A process's tracing and metering, in memory."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.hook = OpenTelemetry(self.tracers, self.meters)

    def spans(self, name):
        return [s for s in self.exporter.get_finished_spans() if s.name.startswith(name)]

    def points(self, name):
        found = {}
        for resource in self.reader.get_metrics_data().resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            found[tuple(sorted(point.attributes.items()))] = point
        return found

    def text(self):
        spans = "".join(s.to_json() for s in self.exporter.get_finished_spans())
        return spans + str(self.reader.get_metrics_data())


def told(size=3, image="v2", before=None, **options):
    """What is collected of one rollout, and the record of it."""
    collected = Collected()

    async def main():
        with hooked(on_event=collected.hook):
            async with world(size) as w:
                if before is not None:
                    before(w)
                result = await w.fleet.replace(image, **{"limits": LIMITS, **options}).end()
                return result, dict(w.cloud.calls)

    return collected, *run(main())
