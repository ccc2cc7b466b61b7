"""A request as it was understood, the answer, and the register of what can be answered here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from . import ids
from .schema import Node


@define(eq=False)
class Call:
    """One request.

    Args:
        name: service, operations group and operation as the Python client names them, without
            `begin_`: `compute:virtual_machine_scale_sets.update`.
        method, path: as sent.
        query: parameters of the query, but for the API version.
        body: JSON, parsed; None without one.
        headers: lower-case names; never written down.
        base: the address that it was sent to.
        version: the API version.
        request_id: told in the answer.
        told: the shape of what is answered, as the client reads it.
    """

    name: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(repr=False)
    base: str
    version: str
    request_id: str
    told: Node | None = None
    at: dict[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.at = ids.parts(self.path)

    def get(self, name: str, default: Any = None) -> Any:
        """A part of the path by its type (`virtualMachineScaleSets`), a query parameter, a field."""
        if name.lower() in self.at:
            return self.at[name.lower()]
        if name in self.query:
            return self.query[name]
        return self.body.get(name, default) if isinstance(self.body, dict) else default

    def of(self, kind: str) -> str:
        """The name in the path of this type."""
        return self.at[kind.lower()]

    @property
    def group(self) -> str:
        """The resource group."""
        return self.at.get("resourcegroups", "")

    @property
    def action(self) -> str:
        """What a role must allow.

        "Azure resource providers operations": type and `read`, `write`, `delete` or `…/action`
        (https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations).
        """
        verb = {"GET": "read", "DELETE": "delete"}.get(self.method, "write")
        if "/providers/" not in self.path:
            return f"Microsoft.Resources/subscriptions/resourceGroups/{verb}"
        words = self.path.split("/providers/")[-1].split("/")
        if self.method == "POST":
            return "/".join([words[0], *words[1:-1:2], words[-1], "action"])
        return "/".join([words[0], *words[1::2], verb])


@frozen
class Answer:
    """What is said: a status, JSON or nothing, headers."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(factory=dict)


Handler = Callable[[Any, Call], Answer]

HANDLERS: dict[str, Handler] = {}
"""What can be answered, by the call's name."""


def answers(*names: str) -> Callable[[Handler], Handler]:
    """The function answers these calls."""

    def note(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        return function

    return note
