"""What rollouts do, told to others: traces and metrics.

`OpenTelemetry` is a hook (`immutable.hooks`): install it and every rollout that is driven here has
spans and metrics. Nothing of this is loaded, or costs anything, unless it is asked for. It is no
record: what is sampled or lost is lost; the journal is the record.
"""

from immutable.telemetry.opentelemetry import OpenTelemetry

__all__ = ["OpenTelemetry"]
