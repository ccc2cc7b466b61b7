"""A request as it was understood, and the register of what can be answered here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from .names import Scope
from .schema import Method


@define(eq=False)
class Call:
    """One request.

    Args:
        method: of the client's schema.
        path: variables of the path, in snake case.
        query: parameters of the query, in camel case, typed.
        body: in camel case.
        request_id: of this HTTP request; not the client's `requestId`.
    """

    method: Method
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    request_id: str
    sent: dict[str, Any] = field(factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Service and method: `instanceGroupManagers.resize`."""
        return self.method.name

    @property
    def service(self) -> str:
        """The service: `regionInstanceGroupManagers`."""
        return self.name.partition(".")[0]

    def get(self, name: str, default: Any = None) -> Any:
        """A variable of the path, of the query, or a field of the body."""
        for place in (self.path, self.query, self.body):
            if name in place:
                return place[name]
        return default

    @property
    def project(self) -> str:
        """The project."""
        return self.path.get("project", "")

    @property
    def scope(self) -> Scope:
        """Where: a zone, a region or global."""
        return Scope.of(self.path.get("zone"), self.path.get("region"))

    @property
    def target(self) -> str:
        """The name of the resource: the last variable of the path."""
        return self.path[next(p for p in reversed(self.method.path) if p[0] == "{")[1:-1]]


Handler = Callable[[Any, Call], Any]

METHODS: dict[str, Handler] = {}
"""What is answered here: a dict in the response's shape, or an `Operation`."""


def answers(*names: str) -> Callable[[Handler], Handler]:
    """The function answers these methods."""

    def note(function: Handler) -> Handler:
        for name in names:
            METHODS[name] = function
        return function

    return note
