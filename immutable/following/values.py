"""What a fleet follows and how: as a value, as text, and what goes on record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import Attribute, field, frozen

from immutable.admission.windows import Weekly
from immutable.catalog.state import Catalog, channel_name
from immutable.errors import CatalogRefused, InvalidValue
from immutable.model import Count, Limits, Strategy
from immutable.model.catalog import Followed
from immutable.model.quantities import rounded_down
from immutable.model.serial import canonical, from_json, to_json
from immutable.strategies import BlueGreen, Canary, Rolling

__all__ = ["Following", "follow", "unfollow"]

_FORMAT = "immutable-following"
_VERSION = 1
_STRATEGIES: dict[str, type] = {"rolling": Rolling, "blue-green": BlueGreen, "canary": Canary}


def _channel(_: object, __: Attribute[str], channel: str) -> None:
    channel_name(channel)


def _known(_: object, attribute: Attribute[Strategy], strategy: Strategy) -> None:
    if type(strategy) not in _STRATEGIES.values():
        way_out = "follow by Rolling, BlueGreen or Canary: others can't be read back"
        raise InvalidValue(attribute.name, str(strategy), "a strategy of another kind", way_out)


def _weekly(times: Iterable[Weekly]) -> tuple[Weekly, ...]:
    return tuple(times)


def _positive(_: object, attribute: Attribute[Any], value: Count) -> None:
    if rounded_down(value, 100) < 1:
        raise InvalidValue(attribute.name, value, "no fleet at all", "write 1 or more, or 25%")


@frozen
class Following:
    """Which channel a fleet follows, and how it goes where that points.

    Attributes:
        channel: The channel, such as ``web@production``.
        strategy: The way to go.
        limits: How far to go; None for the backend's.
        automatic: Whether plans are carried out; else they are offered, to be applied by somebody.
        windows: Times of the week in which automatic rollouts begin; empty for any time.
        at_most: How many of the fleets that follow the channel may be on their way at once: a
            number, or a percentage of them, rounded down and never none.
    """

    channel: str = field(validator=_channel)
    strategy: Strategy = field(factory=Rolling, validator=_known)
    limits: Limits | None = None
    automatic: bool = False
    windows: tuple[Weekly, ...] = field(default=(), converter=_weekly)
    at_most: Count = field(default=1, validator=_positive)

    def __str__(self) -> str:
        times = f", in {' or '.join(map(str, self.windows))}" if self.windows else ""
        most = f", {self.at_most} at once" if self.automatic else ""
        way = "goes there by itself" if self.automatic else "is offered plans"
        return f"{self.channel}: {way} by {self.strategy}{times if self.automatic else ''}{most}"

    def dump(self) -> str:
        """Return it as the text that `load` reads: canonical JSON."""
        kind = next(word for word, each in _STRATEGIES.items() if type(self.strategy) is each)
        document = {
            _FORMAT: _VERSION,
            "channel": self.channel,
            "strategy": {"kind": kind, **to_json(self.strategy)},
            "limits": None if self.limits is None else to_json(self.limits),
            "automatic": self.automatic,
            "windows": [to_json(each) for each in self.windows],
            "at_most": self.at_most,
        }
        return canonical(document).decode()

    @classmethod
    def load(cls, text: str) -> Following:
        """Return what `dump` wrote.

        Raises:
            InvalidValue: It is something else.
        """
        try:
            return cls._read(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"can't be read: {error!r}"
            way_out = "let the fleet follow anew, or read it with a newer immutable-sdk"
            raise InvalidValue("following", text[:40], reason, way_out) from error

    @classmethod
    def _read(cls, data: dict[str, Any]) -> Following:
        if data[_FORMAT] != _VERSION:
            raise ValueError(f"version {data[_FORMAT]}")
        way, limits = dict(data["strategy"]), data["limits"]
        return cls(
            data["channel"],
            from_json(_STRATEGIES[way.pop("kind")], way),
            None if limits is None else from_json(Limits, limits),
            data["automatic"],
            tuple(from_json(Weekly, each) for each in data["windows"]),
            data["at_most"],
        )


def follow(
    catalog: Catalog, fleet: str, how: Following, *, actor: str, reason: str = ""
) -> tuple[Followed, ...]:
    """Return what letting a fleet follow a channel writes down; nothing if it does already.

    Args:
        catalog: The catalog as it is.
        fleet: The fleet's address.
        how: What it follows, and how.
        actor: On whose behalf, as claimed.
        reason: Why.

    Raises:
        InvalidValue: There is no such channel.
    """
    catalog.find(how.channel)
    text = how.dump()
    if catalog.followers.get(fleet) == text:
        return ()
    return (Followed(fleet, text, actor, reason),)


def unfollow(catalog: Catalog, fleet: str, *, actor: str, reason: str = "") -> tuple[Followed, ...]:
    """Return what letting a fleet follow nothing any more writes down.

    Args:
        catalog: The catalog as it is.
        fleet: The fleet's address.
        actor: On whose behalf, as claimed.
        reason: Why.

    Raises:
        CatalogRefused: It follows nothing.
    """
    if fleet not in catalog.followers:
        there = ", ".join(sorted(catalog.followers)) or "none"
        raise CatalogRefused(f"{fleet} follows nothing", f"these do: {there}")
    return (Followed(fleet, "", actor, reason),)
