"""The hook that logs what rollouts do, with fields, and a formatter that writes those as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from immutable.hooks import Called, Calling, Drifted, Driving, LetGo, Notice, Waited
from immutable.model import Event, Plan
from immutable.model.records import Done, Ended, Failed, Intended, Judged, Outcome, Paused, Turned
from immutable.telemetry.attributes import of_record

__all__ = ["JsonFormatter", "Logs"]

_OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""What every record of the logging package has; everything else is a field of somebody's."""


class Logs:
    """Logs what rollouts do: to be installed with `immutable.hooks.hooked`.

    Every record has the fields ``rollout_id``, ``fleet`` and ``event``, the kind of what happened,
    and further ones that depend on the kind, named as the attributes of spans without their prefix
    and with ``_`` for a dot. Where a span of OpenTelemetry is current, its ``trace_id`` and
    ``span_id`` are fields too. What happens is logged as INFO, what went wrong as WARNING, each
    attempt of a call and each wait as DEBUG.

    Args:
        logger: Where to log; default the logger ``immutable.rollout``.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("immutable.rollout")
        self._plans: dict[str, Plan] = {}

    def __call__(self, notice: Notice) -> None:
        """Log what a rollout does."""
        what = notice.what
        if isinstance(what, Driving):
            self._plans[notice.rollout] = what.plan
        if isinstance(what, Drifted):
            self._drifted(notice, what)
            return
        plan = self._plans.get(notice.rollout)
        if isinstance(what, LetGo):
            self._plans.pop(notice.rollout, None)
        if plan is None:
            return
        level, event, fields = _said(what, plan)
        if self._logger.isEnabledFor(level):
            about = {"rollout_id": notice.rollout, "fleet": notice.fleet, "event": event}
            said = " ".join(f"{name}={value}" for name, value in fields.items())
            text = "rollout %s of %s: %s%s"
            args = (notice.rollout, notice.fleet, event, f" ({said})" if said else "")
            self._logger.log(level, text, *args, extra=about | fields | _span())

    def _drifted(self, notice: Notice, found: Drifted) -> None:
        about: dict[str, Any] = {"fleet": notice.fleet, "event": "drifted", "rollout_id": ""}
        about |= {"instances": len(found.instances), "strays": len(found.strays)}
        text = "%s has drifted: %d instances, %d strays"
        args = (notice.fleet, len(found.instances), len(found.strays))
        self._logger.warning(text, *args, extra=about)


def _said(
    what: Driving | Event | Calling | Called | Waited | LetGo, plan: Plan
) -> tuple[int, str, dict[str, Any]]:
    """Return the level, the kind and the fields of what happened."""
    about: dict[str, Any]
    match what:
        case Driving():
            about = {"kind": plan.kind.value, "candidate": plan.candidate.number}
            return logging.INFO, "driving", about | {"fence": what.fence}
        case LetGo(error):
            return (
                (logging.WARNING, "let_go", {"error": error})
                if error
                else (logging.DEBUG, "let_go", {})
            )
        case Calling(operation, revision):
            return logging.DEBUG, "calling", {"operation": operation, "revision": revision}
        case Called(call, seconds, error):
            about = {"operation": call.operation, "revision": call.revision}
            about |= {"seconds": round(seconds, 3)} | ({"error": error} if error else {})
            return logging.WARNING if error else logging.DEBUG, "called", about
        case Waited(cause, seconds):
            return logging.DEBUG, "waited", {"cause": cause.value, "seconds": round(seconds, 3)}
        case Event():
            return _recorded(what, plan)


def _recorded(event: Event, plan: Plan) -> tuple[int, str, dict[str, Any]]:
    record = event.record
    named = of_record(plan, record) or {}
    fields: dict[str, Any] = {
        name.removeprefix("immutable.").replace(".", "_"): value for name, value in named.items()
    }
    level = logging.INFO
    match record:
        case Intended(_, action, why):
            fields |= {"operation": type(action).__name__.lower(), "revision": action.revision}
            fields["reason"] = why
        case Done(_, outcome, detail):
            fields |= {"outcome": outcome.value} | ({"reason": detail} if detail else {})
            level = logging.INFO if outcome is Outcome.DONE else logging.WARNING
        case Turned(reason) | Paused(reason):
            fields, level = fields | {"reason": reason}, logging.WARNING
        case Failed(_, why):
            fields, level = fields | {"reason": why}, logging.WARNING
        case Judged():
            fields["reason"] = record.detail
        case Ended():
            fields |= {"reason": record.reason, "seconds": record.seconds}
    return level, type(record).__name__.lower(), {"seq": event.seq} | fields


def _span() -> dict[str, str]:
    """Return the identifiers of the current span, where somebody makes spans."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return {}
    return {"trace_id": f"{current.trace_id:032x}", "span_id": f"{current.span_id:016x}"}


class JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON.

    ``time`` (ISO 8601, UTC), ``level``, ``logger`` and ``message``, then all fields of the record,
    as whoever logged it named them; what JSON has no form for is written as its text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields | said, ensure_ascii=False, default=str)
