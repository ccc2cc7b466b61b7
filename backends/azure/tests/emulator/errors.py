"""What Azure answers when it refuses, and what this emulator says when it does not know."""

from __future__ import annotations

from typing import Any

MARKS = "https://aka.ms/ARMResourceNotFoundFix"


class ArmError(Exception):
    """A refusal in Azure's own words.

    "Common API details", error responses: `{"error": {"code", "message", "target", "details"}}`
    (https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md).
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        target: str | None = None,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.target = target
        self.details = details
        self.headers = headers or {}

    def told(self) -> dict[str, Any]:
        """The error as a value of JSON."""
        said: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            said["details"] = self.details
        if self.target:
            said["target"] = self.target
        return said


class NotEmulated(ArmError):
    """A call, or a parameter, that nothing here knows how to honour.

    Answered as a refusal that no retry layer repeats, and kept: the test that made the call fails.
    """

    def __init__(self, what: str) -> None:
        super().__init__("NotEmulated", f"the emulator does not model {what}", 400)


def no_resource(kind: str, name: str, group: str) -> ArmError:
    """The Resource Manager's own 404, recorded."""
    said = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        f"For more details please go to {MARKS}"
    )
    return ArmError("ResourceNotFound", said, 404, headers={"x-ms-failure-cause": "gateway"})


def no_group(group: str) -> ArmError:
    """A resource group that is not there, recorded."""
    said = f"Resource group '{group}' could not be found."
    return ArmError("ResourceGroupNotFound", said, 404, headers={"x-ms-failure-cause": "gateway"})


def no_parent(parent: str) -> ArmError:
    """Something below a resource that is not there."""
    said = f"Failed to perform 'write' on resource(s) of type, because the parent resource '{parent}' could not be found."
    return ArmError("ParentResourceNotFound", said, 404)


def inactive(instance: str) -> ArmError:
    """An instance that is none of the set's, recorded."""
    said = (
        f"The provided instanceId {instance} is not an active Virtual Machine Scale Set VM "
        "instanceId."
    )
    return ArmError("InvalidParameter", said, 400, target="instanceIds")


def busy() -> ArmError:
    """Another operation runs on the same thing.

    Seen with several deletions of a set's instances at the same time
    (https://github.com/Azure/azure-libraries-for-net/issues/1260,
    https://github.com/kubernetes/autoscaler/pull/3284).
    """
    said = (
        "The request failed due to conflict with a concurrent request. To resolve it, please refer "
        "to https://aka.ms/activitylog to get more details on the conflicting requests."
    )
    return ArmError("Conflict", said, 409)


def invalid(message: str, target: str | None = None) -> ArmError:
    """A parameter that does not fit."""
    return ArmError("InvalidParameter", message, 400, target=target)
