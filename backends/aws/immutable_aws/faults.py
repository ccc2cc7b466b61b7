"""What an error of AWS means to the engine: by its code first, by the HTTP status second.

The codes are those of botocore's models and retry tables (1.44), of "Error codes for the Amazon
EC2 API", and of "Common Errors" in the API references of Auto Scaling and Elastic Load Balancing.
A shortage comes with status 500, a missing group as a ``ValidationError``: so no status is looked
at before the code.
"""

from __future__ import annotations

import re
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

__all__ = ["code_of", "is_code", "translated", "without_secrets"]

THROTTLED = frozenset(
    [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
    ]
)
BUSY = frozenset(
    [
        "ScalingActivityInProgress",
        "ResourceContention",
        "IncorrectState",
        "IncorrectInstanceState",
        "DependencyViolation",
        "OperationAborted",
        "ConcurrentModificationException",
    ]
)
CAPACITY = frozenset(
    [
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientFreeAddressesInSubnet",
        "UnfulfillableCapacity",
    ]
)
QUOTA = frozenset(
    [
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "LimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "TooManyTargetGroups",
        "TooManyUniqueTargetGroupsPerLoadBalancer",
        "TooManyTargets",
        "TooManyRegistrationsForTargetId",
        "TargetGroupAssociationLimit",
        "TooManyActions",
        "TooManyTags",
        "LaunchTemplateLimitExceeded",
    ]
)
DENIED = frozenset(
    [
        "UnauthorizedOperation",
        "AuthFailure",
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedAccess",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "OptInRequired",
        "NotAuthorized",
        "Blocked",
        "PendingVerification",
        "OperationNotPermitted",
    ]
)
TAKEN = frozenset(["AlreadyExists", "DuplicateTargetGroupName", "ResourceInUse"])
UNSURE = frozenset(
    [
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "ServiceUnavailable",
        "Unavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "IdempotentCallInProgress",
        "HealthUnavailable",
    ]
)
_NO_CREDENTIALS = frozenset(
    [
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "NoAuthTokenError",
        "InvalidConfigError",
    ]
)
_NONSENSE = frozenset(["ParamValidationError", "NoRegionError", "UnknownServiceError"])
# Auto Scaling has no code of its own for "no such group".
_MISSING = re.compile(r"not found|does not exist|no longer exists|pending delete", re.IGNORECASE)
_KEY = re.compile(r"\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b")


def code_of(error: BaseException) -> str:
    """Return the provider's code, without the suffixes that only some protocols add."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    return code.removesuffix("Fault").removesuffix("Exception")


def is_code(error: BaseException | None, *codes: str) -> bool:
    """Return whether an error, or what caused it, has one of these codes."""
    return any(code_of(each) in codes for each in causes(error))


def without_secrets(text: str) -> str:
    """Return *text* without what looks like a key, and not longer than a message should be."""
    return shown(text, _KEY)


def translated(error: Exception, call: str, about: str) -> BackendError:
    """Return the error of the contract for one of boto3's.

    Args:
        error: What boto3 raised.
        call: The API's name.
        about: The resource.
    """
    where = f"{call} {about}".strip()
    response: dict[str, Any] | None = getattr(error, "response", None)
    if response is None or "Error" not in response:
        return _without_answer(error, where)
    told = response["Error"]
    code = code_of(error)
    full = str(told.get("Code", ""))
    said = without_secrets(str(told.get("Message", "")))
    text = f"{where}: {code}: {said}" if said else f"{where}: {code}"
    kind = _kind(code, full, said, _status(response))
    if kind is Throttled:
        return Throttled(text)
    if code == "SignatureDoesNotMatch":
        return Denied(f"{where}: {code}")  # AWS's text quotes the request that was signed.
    return kind(text)


def _status(response: dict[str, Any]) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _kind(code: str, full: str, said: str, status: int) -> type[BackendError]:
    known = kind_by_code(_BY_CODE, code, full)
    if known is not None:
        return known
    if code.endswith(("NotFound", "Unknown", "NotFoundFault")):
        return Gone
    if code == "ValidationError" and _MISSING.search(said):
        return Gone
    if "AlreadyExists" in code or "Duplicate" in code:
        return Conflict
    if status in (429, 503) and "limit" in said.lower():
        return Throttled
    # An answer that is no answer, such as a page of HTML by a proxy, has its status for a code.
    return Transient if status >= 500 or status == 408 or not status else Invalid


_BY_CODE: Kinds = (
    (THROTTLED, Throttled),
    (BUSY, Throttled),
    (CAPACITY, CapacityShortage),
    (QUOTA, QuotaExceeded),
    (DENIED, Denied),
    (TAKEN, Conflict),
    (UNSURE, Transient),
)


def _without_answer(error: Exception, where: str) -> BackendError:
    name = type(error).__name__
    said = without_secrets(str(error))
    if name in _NO_CREDENTIALS:
        return Denied(f"{where}: no credentials: {said}")
    if name in _NONSENSE:
        return Invalid(f"{where}: {said}")
    return Transient(f"{where}: no answer: {name}: {said}")
