"""What may go wrong in a rehearsal: scenarios, as values and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from attrs import Attribute, field, fields, frozen

from immutable.errors import InvalidValue
from immutable.model.quantities import percent

__all__ = [
    "Autoscaler",
    "BadImage",
    "ControllerCrash",
    "LostAnswers",
    "NoRoom",
    "Scenario",
    "Throttling",
    "parse",
    "spelled",
]


def _share(value: float | str) -> float:
    return float(percent(value, name="share")) if isinstance(value, str) else float(value)


def _part(_: object, attribute: Attribute[Any], value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidValue(attribute.name, value, "a share is between 0 and 1", 'pass 0.05 or "5%"')


def _part_below_one(_: object, attribute: Attribute[Any], value: float) -> None:
    if not 0 <= value < 1:
        reason = "at 1 no call would ever succeed, and nothing would end"
        raise InvalidValue(attribute.name, value, reason, 'pass a share below it, such as "30%"')


def _time(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and value < 0:
        raise InvalidValue(attribute.name, value, "a time is not negative")


def _above_zero(_: object, attribute: Attribute[Any], value: float) -> None:
    if value <= 0:
        raise InvalidValue(attribute.name, value, "a factor is above 0", "pass 1 for no change")


@frozen
class BadImage:
    """The new image is bad, in one way or several.

    Attributes:
        errors: The share of its requests that fail, such as ``0.05`` or ``"5%"``.
        never_ready: Whether its servers never become READY.
        slow_boot: How many times as long its servers take to boot.
        slow: How many times as long its requests take.
        dies_after: Seconds of life after which its servers die; None when they don't.
    """

    errors: float = field(default=0.0, converter=_share, validator=_part)
    never_ready: bool = False
    slow_boot: float = field(default=1.0, validator=_above_zero)
    slow: float = field(default=1.0, validator=_above_zero)
    dies_after: float | None = field(default=None, validator=_time)


@frozen
class NoRoom:
    """Zones run out of room: nothing can be launched there.

    Attributes:
        zone: Which zone; empty for all of them.
        after: Seconds from the start until it happens.
        lasts: For how many seconds.
    """

    zone: str = ""
    after: float = field(default=0.0, validator=_time)
    lasts: float = field(default=1800.0, validator=_time)


@frozen
class Throttling:
    """The cloud refuses calls because there are too many.

    Attributes:
        share: The share of calls that is refused.
        retry_after: Seconds that the cloud asks to wait; None when it doesn't say.
    """

    share: float = field(default=0.3, converter=_share, validator=_part_below_one)
    retry_after: float | None = field(default=None, validator=_time)


@frozen
class LostAnswers:
    """Calls take effect and their answers are lost.

    Attributes:
        share: The share of calls.
    """

    share: float = field(default=0.05, converter=_share, validator=_part_below_one)


@frozen
class Autoscaler:
    """Somebody changes the fleet's size meanwhile.

    Attributes:
        to: The size of stable's group from then on.
        after: Seconds from the start until it happens.
    """

    to: int
    after: float = field(default=60.0, validator=_time)

    def __attrs_post_init__(self) -> None:
        if self.to < 0:
            raise InvalidValue("to", self.to, "a size is not negative")


@frozen
class ControllerCrash:
    """The process that drives the rollout dies, and another one takes it up.

    Attributes:
        after: Seconds from the start until it dies.
        back_after: Seconds until another one looks for it; then the lease must have ended.
    """

    after: float = field(default=60.0, validator=_time)
    back_after: float = field(default=60.0, validator=_time)


Scenario = BadImage | NoRoom | Throttling | LostAnswers | Autoscaler | ControllerCrash
"""Something that goes wrong in a rehearsal."""

_NAMES: Mapping[str, type[Any]] = {
    "bad-image": BadImage,
    "no-room": NoRoom,
    "throttling": Throttling,
    "lost-answers": LostAnswers,
    "autoscaler": Autoscaler,
    "controller-crash": ControllerCrash,
}


# parse("bad-image:errors=5%") == BadImage(errors=0.05)     parse("no-room:zone=a,lasts=600")
def parse(text: str) -> Scenario:
    """Return the scenario that words name: ``name`` or ``name:field=value,field=value``.

    Raises:
        InvalidValue: There is none of that name, or it has no such field; says which there are.
    """
    name, _, rest = text.strip().partition(":")
    kind = _NAMES.get(name)
    if kind is None:
        raise InvalidValue("fault", name, "unknown", f"one of: {', '.join(_NAMES)}")
    known, types = [each.name for each in fields(kind)], get_type_hints(kind)
    given: dict[str, Any] = {}
    for word in filter(None, rest.split(",")):
        key, equals, value = word.partition("=")
        key = key.strip().replace("-", "_")
        if key not in known or not equals:
            ways = ", ".join(known)
            raise InvalidValue("fault", text, f"{name} has no {word!r}", f"fields: {ways}")
        given[key] = _value(key, types[key], value.strip())
    try:
        made: Scenario = kind(**given)
    except TypeError:
        missing = f"{name} needs: {', '.join(known)}"
        raise InvalidValue("fault", text, missing, f"such as {name}:to=10") from None
    return made


# spelled(BadImage(errors=0.05)) gives bad-image:errors=0.05
def spelled(scenario: Scenario) -> str:
    """Return the words of which `parse` makes a scenario; what is as usual is left out."""
    name = next(name for name, kind in _NAMES.items() if isinstance(scenario, kind))
    values = ((each, getattr(scenario, each.name)) for each in fields(type(scenario)))
    given = [f"{each.name}={_word(value)}" for each, value in values if value != each.default]
    return ":".join(filter(None, (name, ",".join(given))))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(name: str, kind: object, text: str) -> Any:
    try:
        if kind is bool:
            return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]
        if kind is str or text.endswith("%"):
            return text
        return int(text) if kind is int else float(text)
    except (KeyError, ValueError):
        words: dict[object, str] = {bool: "yes or no", int: "a whole number"}
        raise InvalidValue(name, text, f"not {words.get(kind, 'a number')}") from None
