"""What can be seen of a simulated server, and what others have made of it behind its group's back.

A server is launched as its group's revision says. `Alterations` keeps what was changed since; an
inspection compares the two, as one of a cloud compares a server's description with its template.
"""

from __future__ import annotations

from collections.abc import Iterator

from immutable.backend import (
    DriftCode,
    DriftReason,
    Inspected,
    Inspection,
    Revision,
    Stray,
    to_json,
)
from immutable.memory.parts import SimulatedFleet

__all__ = ["Alterations", "inspection"]

_LAUNCHED = "as launched"
_SEEN = tuple(code for code in DriftCode if code not in (DriftCode.OVER_AGE, DriftCode.REVISION))
_UNSEEN = ("what a server does: simulated ones have no files and no processes",)


class Alterations:
    """What others have done to the servers of a cloud.

    Attributes:
        strays: What looks like a member and is none, by fleet.
    """

    def __init__(self) -> None:
        self._facts: dict[str, dict[DriftCode, str | None]] = {}
        self.strays: dict[str, tuple[Stray, ...]] = {}

    def alter(self, instance: str, code: DriftCode, found: str | None) -> None:
        """Let a server be other than launched in one respect.

        Args:
            instance: Which one.
            code: In what.
            found: What is seen there from now on: for an image its artifact; None when it can't be
                seen any more.
        """
        self._facts.setdefault(instance, {})[code] = found

    def of(self, instance: str) -> dict[DriftCode, str | None]:
        """Return what was changed of a server."""
        return self._facts.get(instance, {})


def inspection(fleet: SimulatedFleet, at: float, altered: Alterations) -> Inspection:
    """Return what is seen of a fleet's servers."""
    seen = (
        _inspected(name, server.group.shown.revision, altered.of(name))
        for name, server in fleet.servers.items()
    )
    return Inspection(at, tuple(seen), altered.strays.get(fleet.name, ()), _SEEN, _UNSEEN)


def _inspected(name: str, revision: Revision, facts: dict[DriftCode, str | None]) -> Inspected:
    if not facts:
        return Inspected(name)
    unknown = tuple(code.value for code, found in facts.items() if found is None)
    return Inspected(name, tuple(_reasons(revision, facts)), unknown)


def _reasons(revision: Revision, facts: dict[DriftCode, str | None]) -> Iterator[DriftReason]:
    launched = {
        DriftCode.IMAGE: revision.image.artifact,
        DriftCode.CONFIG: str(to_json(revision.config.environment)),
    }
    for code, found in facts.items():
        expected = launched.get(code, _LAUNCHED)
        if found is not None and found != expected:
            # What a server is told may be what nobody wants to see in a report.
            hidden = code is DriftCode.CONFIG
            yield DriftReason(
                code, _LAUNCHED if hidden else expected, "changed" if hidden else found
            )
