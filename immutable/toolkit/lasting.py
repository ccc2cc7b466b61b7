"""Since when something is so: what may pass is told apart from what lasts."""

from __future__ import annotations

from attrs import define, field

__all__ = ["Lasting"]


@define
class Lasting:
    """Since when something has been so, by name, as far as this process knows."""

    _since: dict[str, float] = field(factory=dict, init=False)

    def seconds(self, name: str, now: float, *, so: bool) -> float | None:
        """Return for how long it has been so; None when it isn't.

        Args:
            name: Of what.
            now: The time, by the loop's clock.
            so: Whether it is so now.
        """
        if not so:
            self._since.pop(name, None)
            return None
        return now - self._since.setdefault(name, now)
