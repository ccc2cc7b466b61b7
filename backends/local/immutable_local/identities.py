"""What is written down of an instance's processes, to find them again after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import asdict, frozen

from immutable.errors import Invalid
from immutable_local.holds import Stamp

__all__ = ["Identity"]


@frozen
class Identity:
    """What must be written down of an instance's processes to find them again.

    Attributes:
        instance: The instance's identifier.
        state: The mark of its controller.
        stop_signal: The name of the signal that asks it to end.
        boot: Names the time between two boots within which the stamps mean something.
        started: What we started.
        app: What the signal is sent to; None when it ended before it was seen.
        init: The first process of its namespace; None without isolation.
    """

    instance: str
    state: str
    stop_signal: str
    boot: str
    started: Stamp
    app: Stamp | None
    init: Stamp | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_dict` was made from.

        Raises:
            Invalid: It wasn't made by `to_dict`.
        """
        try:
            stamps = {name: data[name] and Stamp(**data[name]) for name in ("app", "init")}
            return cls(**{**data, **stamps, "started": Stamp(**data["started"])})
        except (KeyError, TypeError) as error:
            raise Invalid(f"{dict(data)!r} identifies no process; remove the record") from error
