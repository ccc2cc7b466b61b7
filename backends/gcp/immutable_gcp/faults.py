"""What an error of Compute Engine means to the engine: by its code first, by the status second.

The codes are reasons of refused requests (`errors[].reason`, "Troubleshooting API errors") and of
failed operations (`error.errors[].code`, beside which an HTTP status may be missing). A status can
have several meanings: 403 is a refusal, a rate limit, or a quota.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import (
    BackendError,
    CapacityShortage,
    Conflict,
    Denied,
    Gone,
    Invalid,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.toolkit.faults import Kinds, kind_by_code, shown

__all__ = ["failed", "is_shortage", "is_stale", "translated", "without_secrets"]

_THROTTLED = {"ratelimitexceeded", "userratelimitexceeded", "concurrentlimitexceeded"}
_BUSY = {
    "resourcenotready",
    "resourceinusebyanotherresource",
    "resource_not_ready",
    "resource_in_use_by_another_resource",
    "resource_operation_rate_exceeded",
    "resourceoperationrateexceeded",
    "operation_canceled_by_user",
}
_QUOTA = {"quotaexceeded", "quota_exceeded", "limitexceeded", "limit_exceeded"}
_POOL = "resource_pool_exhausted"
_CAPACITY = {"resource_pool_exhausted", "vm_min_count_not_reached", "ip_space_exhausted"}
_DENIED = {
    "forbidden",
    "autherror",
    "required_access",
    "permissions_error",
    "permission_denied",
    "accessnotconfigured",
    "insufficientpermissions",
    "billing_not_active",
}
_TAKEN = {"alreadyexists", "resource_already_exists", "duplicate"}
_GONE = {"notfound", "resource_not_found"}
_UNSURE = {"backenderror", "internalerror", "internal_error", "resource_unavailable", "timeout"}
_BY_CODE: Kinds = (
    (_THROTTLED, Throttled),
    (_BUSY, Throttled),
    (_QUOTA, QuotaExceeded),
    (_CAPACITY, CapacityShortage),
    (_DENIED, Denied),
    (_TAKEN, Conflict),
    (_GONE, Gone),
    (_UNSURE, Transient),
)
_RATE = re.compile(r"quota metric .* per (minute|second|100 seconds)|rate limit", re.IGNORECASE)
_FINGERPRINT = re.compile(r"fingerprint", re.IGNORECASE)
_KEY = re.compile(r"(ya29\.|AIza|GOOG1|-----BEGIN)\S+")
_BY_STATUS: dict[int, type[BackendError]] = {
    401: Denied,
    403: Denied,
    404: Gone,
    408: Transient,
    409: Conflict,
    412: Invalid,
    429: Throttled,
}


def without_secrets(text: str) -> str:
    """Return *text* without what looks like a key, and not longer than a message should be."""
    return shown(text, _KEY)


def _kind(code: str, status: int, said: str) -> type[BackendError]:
    plain = code.lower()
    if _RATE.search(said) and status in (403, 429):
        return Throttled
    if status == 412 and _FINGERPRINT.search(said):
        return Conflict
    if _POOL in plain:
        return CapacityShortage
    known = kind_by_code(_BY_CODE, plain)
    if known is not None:
        return known
    if status >= 500 or not status:
        return Transient
    return _BY_STATUS.get(status, Invalid)


def is_shortage(code: str) -> bool | None:
    """Return whether a launch failed for want of room or quota; None where that can't be told."""
    kind = _kind(code, 0, "")
    if kind in (CapacityShortage, QuotaExceeded, Throttled):
        return True
    return False if kind in (Denied, Gone) or code.upper().startswith("INVALID") else None


def is_stale(error: BaseException) -> bool:
    """Return whether an error says that a fingerprint is not the current one any more."""
    return isinstance(error, Conflict) and getattr(error.__cause__, "code", None) == 412


# -- requests --------------------------------------------------------------------------------------


def translated(error: Exception, call: str, about: str) -> BackendError:
    """Return the error of the contract for what the client raised.

    Beside its own errors the client lets through those of requests, protobuf and google-auth.

    Args:
        error: What it raised.
        call: Service and method.
        about: The resource.
    """
    where = f"{call} {about}".strip()
    status = getattr(error, "code", None)
    if isinstance(status, int):
        return _refused(error, int(status), where)
    name, home = type(error).__name__, type(error).__module__
    if home.startswith("google.auth") and name != "TransportError":
        # google-auth's texts quote answers of token servers: they are left out.
        out = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
        return Denied(f"{where}: no usable credentials ({name}); {out}")
    if isinstance(error, ValueError) and home == "builtins":
        return Invalid(f"{where}: {without_secrets(str(error))}")
    return Transient(f"{where}: no answer: {name}: {without_secrets(str(error))}")


def _refused(error: Exception, status: int, where: str) -> BackendError:
    told: Sequence[Any] = getattr(error, "errors", None) or ()
    first = told[0] if told and isinstance(told[0], Mapping) else {}
    reason = str(first.get("reason", ""))
    said = without_secrets(str(first.get("message") or getattr(error, "message", "")))
    kind = _kind(reason, status, said)
    return _made(kind, f"{where}: {reason or status}: {said}", said)


# -- operations ------------------------------------------------------------------------------------


def failed(operation: Mapping[str, Any], call: str, about: str) -> BackendError | None:
    """Return the error of an operation that is over; None when it ended well.

    One with ``error.errors`` alone is an error as well as one with an HTTP status.
    """
    errors = operation.get("error", {}).get("errors", ())
    status = int(operation.get("http_error_status_code") or 0)
    if not errors and status < 400:
        return None
    first = errors[0] if errors else {}
    code = str(first.get("code") or status)
    said = without_secrets(str(first.get("message") or operation.get("http_error_message", "")))
    kind = _kind(code, status or 400, said)
    return _made(kind, f"{call} {about}: {code}: {said}", said)


_ZONE = re.compile(r"zones/([a-z]+(?:-[a-z]+)+\d{1,2}-[a-z])")


def _made(kind: type[BackendError], text: str, said: str) -> BackendError:
    zone = _ZONE.search(said)
    if kind is CapacityShortage and zone:
        return CapacityShortage(text, zone=zone[1])
    return kind(text)
