"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf, nan
from typing import Any, TypeVar

import click
from attrs import evolve

from immutable.errors import InvalidValue
from immutable.model import Limits, Rate
from immutable.model.quantities import percent

__all__ = [
    "COUNT",
    "DURATION",
    "RATE",
    "as_json",
    "environment",
    "journal",
    "limits_from",
    "limits_given",
    "limits_options",
    "settings_from",
    "settings_options",
    "where",
]

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


class _Duration(click.ParamType[float]):
    """``90``, ``90s``, ``5m``, ``1.5h``: seconds unless a unit is given."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a duration; write 90, 90s, 5m or 1.5h", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


class _Count(click.ParamType[int | str]):
    """``3`` or ``25%``."""

    name = "count"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        text = str(value).strip()
        if text.isdigit():
            return int(text)
        try:
            percent(text)
        except InvalidValue as error:
            self.fail(str(error), param, ctx)
        return text


class _Rate(click.ParamType[Rate]):
    """``1000,2``: a bucket of 1,000 into which 2 flow a second."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rate:
        if isinstance(value, Rate):
            return value
        try:
            burst, per_second = map(float, value.split(","))
        except ValueError:
            burst = per_second = nan
        if not (1 <= burst < inf and 0 < per_second < inf):
            said = f"{value!r} is no rate: write BURST,PER_SECOND, such as 1000,2 or 10,0.5"
            self.fail(said, param, ctx)
        return Rate(burst, per_second)


DURATION = _Duration()
RATE = _Rate()
COUNT = _Count()

_LIMITS: tuple[tuple[str, Any, str], ...] = (
    ("max-surge", COUNT, "Servers above the fleet's size: 3 or 25%."),
    ("max-unavailable", COUNT, "Servers that may be missing from service: 1 or 10%."),
    ("min-ready", DURATION, "How long a new server must stay ready to count."),
    ("boot-timeout", DURATION, "How long a server may take to become ready."),
    ("drain-timeout", DURATION, "How long requests in flight may take to finish."),
    ("progress-deadline", DURATION, "How long without progress before going back."),
    ("max-duration", DURATION, "How long the whole may take before going back."),
    ("max-failures", int, "How many new servers may fail before going back."),
)

_HEDGE = "At the end, launch duplicates of servers that take long to start."


def limits_options(function: F) -> F:
    """Add an option for each limit; those not given are the backend's."""
    function = click.option("--hedge/--no-hedge", default=None, help=_HEDGE)(function)
    for name, kind, text in reversed(_LIMITS):
        function = click.option(f"--{name}", type=kind, default=None, help=text)(function)
    return function


def limits_given(options: dict[str, Any]) -> dict[str, Any]:
    """Return those limits that the user gave."""
    names = {"hedge", *(name.replace("-", "_") for name, _, _ in _LIMITS)}
    return {n: v for n, v in options.items() if n in names and v is not None}


def limits_from(default: Limits, options: dict[str, Any]) -> Limits:
    """Return the backend's limits with those changed that the user gave.

    Raises:
        InvalidValue: They make no sense together.
    """
    return evolve(default, **limits_given(options))


def journal(function: F) -> F:
    """Add where rollouts are written down."""
    return click.option(
        "--journal",
        envvar="IMMUTABLE_JOURNAL",
        help="Where rollouts are written down: a file, or postgresql://user@host/database."
        " [env: IMMUTABLE_JOURNAL]",
    )(function)


def where(function: F) -> F:
    """Add where the rollout is written down and on whose behalf it runs."""
    function = click.option(
        "--actor",
        envvar="IMMUTABLE_ACTOR",
        help="On whose behalf; default the user. [env: IMMUTABLE_ACTOR]",
    )(function)
    return journal(function)


def as_json(function: F) -> F:
    """Add ``--json``."""
    return click.option(
        "--json/--no-json", "as_json", default=False, help="Print JSON. [env: IMMUTABLE_OUTPUT]"
    )(function)


def settings_options(function: F) -> F:
    """Add what instances are told, and which of it is no secret though it looks like one."""
    function = click.option(
        "--allow-secret", multiple=True, metavar="NAME=REASON",
        help="Why a setting that looks like a secret is none; stands in the plan.",
    )(function)  # fmt: skip
    return click.option(
        "--env", multiple=True, metavar="NAME=VALUE", help="Setting of the instances; repeatable."
    )(function)


def settings_from(values: tuple[str, ...], allowed: tuple[str, ...]) -> dict[str, str]:
    """Return settings by name; those that are said to be no secret say so themselves.

    Raises:
        InvalidValue: One is no setting, or an exception names none, or has no reason.
    """
    from immutable.scanning import NotSecret

    found = environment(values)
    for word in allowed:
        name, _, reason = word.partition("=")
        if name not in found:
            way_out = "name one that --env gives, with a reason: NAME=REASON"
            raise InvalidValue("allow-secret", word, "no setting of that name", way_out)
        found[name] = NotSecret(found[name], reason)
    return found


def environment(values: tuple[str, ...]) -> dict[str, str]:
    """Return ``NAME=VALUE`` words as a mapping.

    Raises:
        InvalidValue: One has no ``=``.
    """
    pairs = {}
    for word in values:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidValue("env", word, "not a setting", "write NAME=VALUE")
        pairs[name] = value
    return pairs
