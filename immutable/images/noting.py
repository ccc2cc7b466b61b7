"""What builds have noted: names of what they make for a while and can't tag, on record at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from immutable.builders import Traces
from immutable.errors import JournalError
from immutable.journal import Build, Journal, Lease
from immutable.model.records import BuildNoted, Ended

__all__ = ["Notes", "traces"]


class Notes:
    """The names that one build has noted; each is written down as soon as it is heard.

    Args:
        journal: Where.
        lease: The build's.
        names: What was noted before.

    Attributes:
        names: What was noted so far, each once.
    """

    def __init__(self, journal: Journal, lease: Lease, names: list[str]) -> None:
        self.names = names
        self._journal, self._lease = journal, lease
        self._writing: set[asyncio.Task[int]] = set()

    def add(self, name: str) -> None:
        """Note a name, without waiting until it is written."""
        if name in self.names:
            return
        self.names.append(name)
        task = asyncio.create_task(self._journal.append(self._lease, [BuildNoted(name)]))
        self._writing.add(task)

    async def settled(self) -> None:
        """Wait until everything is written; what could not be is still known here."""
        while self._writing:
            with suppress(JournalError):
                await self._writing.pop()


async def traces(journal: Journal, build: Build) -> Traces:
    """Return what is known of a build that nobody works on any more."""
    events = await journal.events(build.id)
    found = [each.record.name for each in events if isinstance(each.record, BuildNoted)]
    ends = [each.at for each in events if isinstance(each.record, Ended)]
    ended = ends[-1] if ends else build.expires_at
    return Traces(build.id, found, build.started_at, ended)
