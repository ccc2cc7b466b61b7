"""What an error of Azure means to the engine: by its code first, by the HTTP status second.

A failed operation is told with status 200, a quota with 409 and a shortage inside of an operation,
so no status is looked at before the code. The codes are those of "Troubleshoot common Azure
deployment errors", "Compute throttling limits", "Allocation failures" and "Common error codes" of
the REST reference; which of them were met is said in ``README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from immutable.toolkit.faults import Kinds, causes, kind_by_code, shown

__all__ = [
    "CAPACITY",
    "codes_of",
    "is_code",
    "kind_of",
    "retry_after",
    "translated",
    "without_secrets",
]

CAPACITY = frozenset(
    [
        "AllocationFailed",
        "ZonalAllocationFailed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "SkuNotAvailable",
        "SubnetIsFull",
        "SpotCapacityNotAvailable",
    ]
)
QUOTA = frozenset(["QuotaExceeded", "ResourceQuotaExceeded", "PublicIPCountLimitReached"])
BUSY = frozenset(
    [
        "RetryableErrorDueToAnotherOperation",
        "OperationPreempted",
        "OperationPreemptedByAnotherOperation",
        "CanceledAndSupersededDueToAnotherOperation",
        "AnotherOperationInProgress",
        "ConcurrentRequestConflict",
        "ScaleSetInUse",
    ]
)
THROTTLED = frozenset(["TooManyRequests", "SubscriptionRequestsThrottled", "RequestThrottled"])
DENIED = frozenset(
    [
        "AuthorizationFailed",
        "AuthenticationFailed",
        "LinkedAuthorizationFailed",
        "InvalidAuthenticationToken",
        "ExpiredAuthenticationToken",
        "InvalidAuthenticationTokenTenant",
        "RequestDisallowedByPolicy",
        "ScopeLocked",
        "SubscriptionNotFound",
    ]
)
GONE = frozenset(["ResourceNotFound", "NotFound", "ParentResourceNotFound"])
CHANGED = frozenset(["PreconditionFailed", "PreconditionFailedEtagMismatch"])
NEVER = frozenset(["ResourceGroupNotFound", "GalleryImageNotFound", "PlatformImageNotFound"])
UNSURE = frozenset(["InternalServerError", "InternalExecutionError", "InternalOperationError"])
_BY_CODE: Kinds = (
    (THROTTLED, Throttled),
    (BUSY, Throttled),
    (CAPACITY, CapacityShortage),
    (QUOTA, QuotaExceeded),
    (DENIED, Denied),
    (CHANGED, Conflict),
    (NEVER, Invalid),
    (GONE, Gone),
    (UNSURE, Transient),
)
_TOKEN = re.compile(r"\b(?:eyJ[\w-]+\.[\w-]+\.[\w-]*|sig=[^&\s]+|[Bb]earer \S+)")
_CONCURRENT = re.compile(
    r"concurrent|another operation|in progress|marked for deletion", re.IGNORECASE
)
_LIMIT = re.compile(r"quota|limit", re.IGNORECASE)


def codes_of(error: Any) -> list[str]:
    """Return the codes of an error and of its details, the outer one first."""
    told = getattr(error, "error", None)
    found: list[str] = []
    while told is not None:
        if told.code:
            found.append(str(told.code))
        details = getattr(told, "details", None) or ()
        told = details[0] if details else None
    return found


def is_code(error: BaseException | None, *codes: str) -> bool:
    """Return whether an error, or what caused it, has one of these codes."""
    return any(set(codes) & set(codes_of(each)) for each in causes(error))


def without_secrets(text: str) -> str:
    """Return *text* without what looks like a token, and not longer than a message should be."""
    return shown(text, _TOKEN)


def kind_of(codes: list[str], message: str, status: int | None) -> type[BackendError]:
    """Return the error of the contract for codes, a message and a status of Azure.

    Args:
        codes: The code and those of the details.
        message: What Azure said, to tell what shares a code apart.
        status: The HTTP status; 200 for a failed operation, None when it is not known.
    """
    if status == 429:
        return Throttled
    known = kind_by_code(_BY_CODE, *codes)
    if known is not None:
        return known
    if "OperationNotAllowed" in codes:
        if _CONCURRENT.search(message):
            return Throttled
        # It may say that a size is forbidden, too; but quotas are what it is known for.
        return QuotaExceeded if _LIMIT.search(message) else Invalid
    if status == 409 or "Conflict" in codes:
        return Throttled if _CONCURRENT.search(message) else Conflict
    return _BY_STATUS.get(status or 0) or (Transient if not status or status >= 500 else Invalid)


_BY_STATUS: dict[int, type[BackendError]] = {
    401: Denied,
    403: Denied,
    404: Gone,
    408: Transient,
    412: Conflict,
}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a refusal tells to wait; None when it doesn't."""
    told = headers.get("Retry-After") or headers.get("retry-after") or ""
    try:
        return float(told)
    except ValueError:
        return None


def translated(error: Exception, call: str, about: str) -> BackendError:
    """Return the error of the contract for one of the clients'.

    Args:
        error: What azure-core raised.
        call: The operation's name.
        about: The resource.
    """
    where = f"{call} {about}".strip()
    name = type(error).__name__
    if getattr(error, "response", None) is None or not hasattr(error, "status_code"):
        return _without_answer(error, name, where)
    codes = codes_of(error)
    said = without_secrets(_message(error)) if codes else ""
    status = getattr(error, "status_code", None)
    kind = kind_of(codes, said, status)
    text = ": ".join([where, "/".join(codes) or str(status), *([said] if said else [])])
    if kind is Throttled:
        headers = getattr(error.response, "headers", None) or {}  # type: ignore[attr-defined]
        return Throttled(text, retry_after=retry_after(headers))
    return kind(text)


def _message(error: Any) -> str:
    return str(getattr(error.error, "message", "") or "")


def _without_answer(error: Exception, name: str, where: str) -> BackendError:
    said = without_secrets(str(error))
    if name in ("ClientAuthenticationError", "CredentialUnavailableError"):
        return Denied(f"{where}: no credentials: {said}")
    if name in ("SerializationError", "TypeError", "ValueError"):
        return Invalid(f"{where}: {said}")
    return Transient(f"{where}: no answer: {name}: {said}")
