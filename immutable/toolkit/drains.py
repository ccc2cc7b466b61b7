"""Since when members drain, where a backend has to end a drain that lasts too long."""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, field

__all__ = ["LONGEST", "Drains"]

LONGEST = 15.0
"""Seconds after which a drain is looked at again at the latest."""
_SHORTEST = 0.05


@define
class Drains:
    """Since when members drain, by group, as far as this process knows.

    After a restart it counts anew: a drain may be given more time than it had to get, never less.
    """

    _since: dict[str, dict[str, float]] = field(factory=dict, init=False)

    def keep(self, group: str, there: Collection[str]) -> None:
        """Forget who has gone.

        Args:
            group: What no other group ever had for a name.
            there: The members that it has.
        """
        since = self._since.pop(group, {})
        if kept := {name: at for name, at in since.items() if name in there}:
            self._since[group] = kept

    def begin(self, group: str, names: Collection[str], at: float) -> None:
        """Let the time of members run, if it doesn't yet.

        Args:
            group: As in `keep`.
            names: The members.
            at: From when, by the loop's clock.
        """
        since = self._since.setdefault(group, {})
        for name in names:
            since.setdefault(name, at)

    def due(
        self, group: str, names: Collection[str], timeout: float, now: float
    ) -> tuple[list[str], float]:
        """Return whose time is over, and after how many seconds to look again.

        Args:
            group: As in `keep`.
            names: Those who are asked about; whose time doesn't run is left out.
            timeout: Seconds that a drain may take.
            now: The time, by the loop's clock.
        """
        since = self._since.get(group, {})
        left = {name: since[name] + timeout - now for name in names if name in since}
        due = [name for name, seconds in left.items() if seconds <= 0]
        rest = [seconds for seconds in left.values() if seconds > 0]
        return due, max(_SHORTEST, min([LONGEST, *rest]))
