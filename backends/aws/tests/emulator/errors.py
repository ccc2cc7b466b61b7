"""What AWS answers when it refuses, and what this emulator says when it does not know."""

from __future__ import annotations

# Statuses other than 400. EC2: "Error codes for the Amazon EC2 API", server errors
# (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html) and recorded
# answers of RunInstances; Auto Scaling: the service model's `httpStatusCode`.
STATUS = {
    "InsufficientInstanceCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "RequestLimitExceeded": 503,
    "ResourceContention": 500,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
    "UnauthorizedOperation": 403,
    "AccessDenied": 403,
    "AccessDeniedException": 400,
    "DryRunOperation": 412,
}


class AwsError(Exception):
    """A refusal in AWS's own words: `code`, `message`, and the HTTP `status` that goes with the code."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status or STATUS.get(code, 400)


class NotEmulated(AwsError):
    """A call, or a parameter, that nothing here knows how to honour.

    Answered as a refusal that no retry layer repeats, and kept: the test that made the call fails.
    """

    def __init__(self, what: str) -> None:
        super().__init__("NotEmulated", f"the emulator does not model {what}", 400)


def invalid(message: str) -> AwsError:
    """Auto Scaling's and the load balancer's answer to what does not fit."""
    return AwsError("ValidationError", message)
