"""What rollouts do, told to others: traces, metrics, log records, notifications.

`OpenTelemetry`, `Logs` and `Webhook` are hooks (`immutable.hooks`): install one, and it is told of
every rollout that is driven here. Nothing of this is loaded, or costs anything, unless it is asked
for. It is no record: what is sampled or lost is lost; the journal is the record.
"""

from immutable.telemetry.delivering import Patience
from immutable.telemetry.logs import JsonFormatter, Logs
from immutable.telemetry.opentelemetry import OpenTelemetry
from immutable.telemetry.webhook import Webhook

__all__ = ["JsonFormatter", "Logs", "OpenTelemetry", "Patience", "Webhook"]
