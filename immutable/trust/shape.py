"""Frozen values to plain data and back; the way back takes nothing that it doesn't know.

`immutable.model.serial` reads what this SDK wrote itself: it makes a text of a number, and passes
over names that it doesn't know. What somebody else may have written, and a key has signed, is read
here: every name has to be there, none more, each of exactly its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

from attrs import NOTHING, fields, has, resolve_types

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap

__all__ = ["plain", "shaped", "spelled", "time_of"]

T = TypeVar("T")

_FORM = "%Y-%m-%dT%H:%M:%SZ"
"""How a moment is written: RFC 3339 in UTC, in whole seconds, so that it has one spelling."""


def spelled(moment: datetime) -> str:
    """Return a moment as text: ``2026-11-28T16:29:02Z``."""
    return moment.astimezone(UTC).strftime(_FORM)


def time_of(text: str, name: str) -> datetime:
    """Return the moment that `spelled` wrote.

    Raises:
        InvalidValue: It is written in any other way.
    """
    try:
        moment = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or spelled(moment) != text:
        raise InvalidValue(name, text, "no time in UTC", "write it as 2026-11-28T16:29:02Z")
    return moment


def plain(value: Any) -> Any:
    """Return *value* as dicts, lists, texts and whole numbers; each field of it, defaults too."""
    if value is None or isinstance(value, str | int):
        return value
    if has(type(value)):
        return {each.name: plain(getattr(value, each.name)) for each in fields(type(value))}
    if isinstance(value, datetime):
        return spelled(value)
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value]


def shaped(kind: type[T], data: Any, name: str, *, written_by_hand: bool = False) -> T:
    """Return the value of *kind* that *data* describes; the reverse of `plain`.

    Args:
        kind: A frozen class of attrs, of fields of texts, whole numbers, truths, times, tuples and
            maps of them, and of such classes.
        data: What `immutable.trust.strict.strict_json` has read.
        name: What to call it in errors: ``manifest`` gives ``manifest.artifacts[0].region``.
        written_by_hand: Whether fields that have a default may be left out, and times may be those
            of TOML. No digest is taken of such data.

    Raises:
        InvalidValue: A field is missing, unknown, of another type, or makes no sense.
    """
    found: T = _shaped(kind, _filled(kind, data) if written_by_hand else data, name)
    return found


def _filled(kind: Any, data: Any) -> Any:
    """Return *data* with what was left out and has a default; and so on, inside of it."""
    if get_origin(kind) is tuple and isinstance(data, list):
        return [_filled(get_args(kind)[0], each) for each in data]
    if not has(kind) or not isinstance(data, dict):
        return data
    given = {key: _filled(_types(kind).get(key), each) for key, each in data.items()}
    left = {f.name: plain(f.default) for f in fields(kind) if f.default is not NOTHING}
    return {**left, **given}


@cache
def _types(kind: Any) -> dict[str, Any]:
    return {each.name: each.type for each in fields(resolve_types(kind))}


def _shaped(kind: Any, data: Any, name: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        inner = next(each for each in arguments if each is not NoneType)
        return None if data is None else _shaped(inner, data, name)
    if has(kind):
        return _object(kind, data, name)
    if kind is datetime and type(data) is datetime:
        return data
    if kind is datetime:
        return time_of(_exactly(str, data, name), name)
    if origin is tuple:
        items = enumerate(_exactly(list, data, name))
        return tuple(_shaped(arguments[0], each, f"{name}[{n}]") for n, each in items)
    if origin is FrozenMap:
        pairs = _exactly(dict, data, name).items()
        return FrozenMap({key: _shaped(arguments[1], each, f"{name}.{key}") for key, each in pairs})
    return _exactly(kind, data, name)


def _object(kind: Any, data: Any, name: str) -> Any:
    types, given = _types(kind), _exactly(dict, data, name)
    for key in given:
        if key not in types:
            way_out = f"leave it out; known are {', '.join(types)}"
            raise InvalidValue(f"{name}.{key}", given[key], "unknown", way_out)
    for key in types:
        if key not in given:
            way_out = "write it; no field is left out, so that a digest has one meaning"
            raise InvalidValue(f"{name}.{key}", None, "missing", way_out)
    values = {key: _shaped(types[key], given[key], f"{name}.{key}") for key in types}
    try:
        return kind(**values)
    except InvalidValue as error:
        within = f"{name}.{error.name}"
        raise InvalidValue(within, error.value, error.reason, error.way_out) from error


_WORDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _exactly(kind: Any, data: Any, name: str) -> Any:
    """Return *data* if it is of the type itself: true is no number here."""
    if type(data) is not kind:
        raise InvalidValue(name, data, f"not {_WORDS[kind]}", f"write {_WORDS[kind]}")
    return data
