"""The metric source ``call``: a function of yours that knows the counters."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, Self

from immutable.errors import InvalidValue, MetricError
from immutable.model import Reading, Traffic

__all__ = ["CallSource", "Function"]

Function = Callable[[str, tuple[int, ...]], Awaitable[Reading]]
"""``async def function(fleet: str, revisions: tuple[int, ...]) -> Reading``."""


class CallSource:
    """Reads the counters of a fleet from a function, as ``call:module:name``.

    Args:
        name: Where the function is, for messages.
        function: The function.
    """

    def __init__(self, name: str, function: Function) -> None:
        self._name = name
        self._function = function

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return a source that calls ``module:name``, which is imported.

        Raises:
            InvalidValue: It can't be imported, or is no ``async def``.
        """
        module, _, name = address.partition(":")
        source = f"call:{address}"
        if not module or not name:
            raise InvalidValue("source", source, "no module:name", 'write "call:metrics:read"')
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as error:
            reason = f"can't be imported: {_said(error)}"
            raise InvalidValue("source", source, reason, "every controller must have it") from error
        if not iscoroutinefunction(found) and not iscoroutinefunction(_called(found)):
            way_out = "write async def read(fleet, revisions) -> Reading"
            raise InvalidValue("source", source, "is no async function", way_out)
        return cls(address, found)

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return what the function says about *revisions* of a fleet.

        Raises:
            MetricError: It failed, or said what can't be judged.
        """
        try:
            found: object = await self._function(fleet, revisions)
        except Exception as error:
            raise MetricError(f"{self._name} failed: {_said(error)}") from error
        if not isinstance(found, Reading):
            kind = type(found).__name__
            raise MetricError(f"{self._name} returned a {kind}, not an immutable.backend.Reading")
        if not any(number in found.revisions for number in revisions):
            there = ", ".join(map(repr, found.revisions)) or "none"
            asked = " and ".join(map(str, revisions))
            raise MetricError(f"{self._name} knows revisions {there}; {asked} were asked for")
        for number in revisions:
            for series, traffic in found.revisions.get(number, {}).items():
                self._check(f"revision {number}, {series}", traffic, found.bounds)
        return found

    async def close(self) -> None:
        """Let go of nothing: there is nothing that is held."""

    def _check(self, where: str, traffic: Traffic, bounds: tuple[float, ...]) -> None:
        if not 0 <= traffic.errors <= traffic.requests:
            figures = f"{traffic.errors} errors in {traffic.requests} requests"
            raise MetricError(f"{self._name} returned {figures} for {where}")
        if traffic.latency and len(traffic.latency) != len(bounds) + 1:
            figures = f"{len(traffic.latency)} latency counts for {len(bounds)} bounds"
            raise MetricError(f"{self._name} returned {figures} for {where}: one more than bounds")


def _called(found: object) -> object:
    return getattr(type(found), "__call__", None)  # noqa: B004  # Asked for its kind, not if there.


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
