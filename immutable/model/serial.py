"""Values to JSON and back; canonical bytes and digests.

Canonical JSON is RFC 8785, so that a digest can be checked by anybody with any tool. Every field
is written, defaults too: a default that a later version changes must not change what an old plan
means. Fields that came later are left out at their default, which is for ever "not used".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from immutable.errors import InvalidValue
from immutable.model.actions import Action
from immutable.model.builds import Built
from immutable.model.frozenmap import FrozenMap
from immutable.model.gates import Gate
from immutable.model.limits import Limits
from immutable.model.plan import Plan
from immutable.model.quantities import Count
from immutable.model.records import Record, Started
from immutable.model.steps import Step

if TYPE_CHECKING:
    from json import JSONEncoder

    from cattrs import Converter

__all__ = ["canonical", "digest", "dump_plan", "from_json", "load_plan", "to_json"]

T = TypeVar("T")

_UNUSED: Mapping[type, tuple[str, ...]] = {
    Limits: ("hedge",),
    Plan: ("stateful",),
    Started: ("slots",),
    Built: ("scan",),
}
"""Fields that came later, and are written only where they are used: who doesn't use them has the
digest of before."""


def _tag(kind: type) -> str:
    """Return a class's name as it stands in JSON: ``HoldGroup`` is ``hold_group``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def _is_map(kind: Any) -> bool:
    return kind is FrozenMap or getattr(kind, "__origin__", None) is FrozenMap


def _as_dict(kind: Any) -> Any:
    return dict.__class_getitem__(kind.__args__)


@cache
def _converter() -> Converter:
    # Imported on first use: half of the time that `import immutable` may take.
    from cattrs import Converter
    from cattrs.gen import make_dict_unstructure_fn, override
    from cattrs.strategies import configure_tagged_union

    converter = Converter()
    converter.register_structure_hook(Count, lambda value, _: value)
    converter.register_structure_hook_func(
        _is_map, lambda value, kind: FrozenMap(converter.structure(value, _as_dict(kind)))
    )
    converter.register_unstructure_hook_func(
        _is_map,
        lambda value: {str(name): converter.unstructure(each) for name, each in value.items()},
    )
    at_default: Any = override(omit_if_default=True)
    left_out = {kind: dict.fromkeys(names, at_default) for kind, names in _UNUSED.items()}
    converter.register_unstructure_hook_factory(
        _UNUSED.__contains__,
        lambda kind: make_dict_unstructure_fn(kind, converter, **left_out[kind]),
    )
    for union in (Action, Gate, Step, Record):
        configure_tagged_union(union, converter, tag_name="type", tag_generator=_tag)
    return converter


def to_json(value: object, kind: Any = None) -> Any:
    """Return *value* as plain dicts, lists, strings and numbers.

    Args:
        value: A value of the model.
        kind: Its declared type, where that is a union.
    """
    return _converter().unstructure(value, unstructure_as=kind)


def from_json(kind: Any, data: Any) -> Any:
    """Return the value of type *kind* that *data* describes; the reverse of `to_json`.

    Raises:
        InvalidValue: *data* doesn't describe one.
    """
    from cattrs.errors import BaseValidationError

    try:
        return _converter().structure(data, kind)
    except (BaseValidationError, KeyError, TypeError, ValueError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise InvalidValue("data", data, f"does not describe a {name}: {error!r}") from error


def canonical(data: Any) -> bytes:
    """Return plain *data* as canonical JSON (RFC 8785).

    Where there is nothing that the standard library writes in another way, it writes: five times
    as fast, and every record of a rollout passes here.
    """
    if _is_simple(data):
        return _encoder().encode(data).encode()
    import rfc8785

    return rfc8785.dumps(data)


@cache
def _encoder() -> JSONEncoder:
    from json import JSONEncoder

    return JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


_EXACT = 2**53
"""Where integers end that every reader of JSON takes for what they are (RFC 8785, 3.2.2.3)."""


def _is_simple(data: Any) -> bool:
    """Whether *data* has no number but small integers, and no name but ASCII.

    Names are sorted by UTF-16 there, and fractions written as ECMAScript does.
    """
    kind = type(data)
    if kind is str or data is None or kind is bool:
        return True
    if kind is int:
        return bool(-_EXACT < data < _EXACT)
    if kind is dict:
        return all(
            type(name) is str and name.isascii() and _is_simple(each) for name, each in data.items()
        )
    return (kind is list or kind is tuple) and all(map(_is_simple, data))


@lru_cache(maxsize=256)
def _plan_digest(plan: Plan) -> str:
    return "sha256:" + hashlib.sha256(canonical(to_json(plan))).hexdigest()


def digest(plan: Plan) -> str:
    """Return the digest by which a plan is approved: sha256 over its canonical JSON."""
    return _plan_digest(plan)


def dump_plan(plan: Plan) -> str:
    """Return *plan* as the text of a file that `load_plan` reads."""
    import json

    document = {"immutable-plan": 1, "digest": digest(plan), "plan": to_json(plan)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def load_plan(text: str) -> Plan:
    """Return the plan in *text*, as written by `dump_plan`.

    Raises:
        InvalidValue: Not such a file, or changed since it was written.
    """
    import json

    try:
        document = json.loads(text)
        stated, content = document["digest"], document["plan"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue("plan", text[:40], f"not a plan file: {error!r}") from error
    plan: Plan = from_json(Plan, content)
    if digest(plan) != stated:
        raise InvalidValue(
            "plan", stated, f"the content's digest is {digest(plan)}", "make the plan again"
        )
    return plan
