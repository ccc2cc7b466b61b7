"""Errors as Compute Engine writes them.

HTTP status, a message, and in `errors[].reason` why, as recorded answers have it and as
https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-bulk-vm-creation lists them.
What happens later stands in the operation instead.
"""

from __future__ import annotations

import json
from typing import Any


class GoogleError(Exception):
    """A refusal.

    Args:
        status: HTTP status.
        reason: `notFound`, `alreadyExists`, `conditionNotMet` …
        message: one sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def body(self) -> bytes:
        """The error as JSON."""
        first = {"message": self.message, "domain": "global", "reason": self.reason}
        said = {"code": self.status, "message": self.message, "errors": [first]}
        return json.dumps({"error": said}).encode()


class NotEmulated(GoogleError):
    """Nothing here can honour this: the test fails."""

    def __init__(self, message: str, status: int = 501) -> None:
        super().__init__(status, "notEmulated", f"{message} is not emulated")


class OperationFailed(Exception):
    """What went wrong after a request was accepted; it ends its operation.

    Recorded operations carry `error.errors[]` with `code` and `message`, and beside it
    `httpErrorStatusCode` and `httpErrorMessage`. Seen in the field: only the former.

    Args:
        code: `ZONE_RESOURCE_POOL_EXHAUSTED`, `QUOTA_EXCEEDED`, `RESOURCE_NOT_FOUND` …
        message: one sentence.
        status: for `httpErrorStatusCode`; None leaves it out.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def error(self) -> dict[str, Any]:
        """One entry of `errors`."""
        return {"code": self.code, "message": self.message}


def invalid(field: str, value: Any, why: str) -> GoogleError:
    """A value that can't be: 400 `invalid`."""
    said = f"Invalid value for field '{field}': '{value}'. {why}"
    return GoogleError(400, "invalid", said)


def required(field: str) -> GoogleError:
    """A field that has to be there: 400 `required`."""
    return GoogleError(400, "required", f"Required field '{field}' not specified")


def not_found(path: str) -> GoogleError:
    """404 `notFound`."""
    return GoogleError(404, "notFound", f"The resource '{path}' was not found")


def exists(path: str) -> GoogleError:
    """409 `alreadyExists`."""
    return GoogleError(409, "alreadyExists", f"The resource '{path}' already exists")


def in_use(kind: str, path: str, by: str) -> GoogleError:
    """400 `resourceInUseByAnotherResource`."""
    said = f"The {kind} resource '{path}' is already being used by '{by}'"
    return GoogleError(400, "resourceInUseByAnotherResource", said)


def not_ready(path: str) -> GoogleError:
    """400 `resourceNotReady`: another operation is at work on it."""
    return GoogleError(400, "resourceNotReady", f"The resource '{path}' is not ready")


def stale() -> GoogleError:
    """412 `conditionNotMet`."""
    return GoogleError(412, "conditionNotMet", "Invalid fingerprint.")
