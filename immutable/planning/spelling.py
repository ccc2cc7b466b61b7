"""Values as they would be written in code, without what goes without saying. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

__all__ = ["spelled"]


# BlueGreen(keep_stable=100.0, preview=(Health(),), bake=300.0, …) -> BlueGreen(keep_stable=100.0)
# Canary(gates=(Check("checks:smoke"), Health(ready="50%"))), everything else as it is by itself
# -> Canary(gates=(Check(call='checks:smoke'), Health(ready='50%')))
def spelled(value: object) -> str:
    """Return *value* as code: of attrs values only the attributes that aren't at their default."""
    kind = type(value)
    if isinstance(value, Enum):
        return f"{kind.__name__}.{value.name}"
    if kind is tuple:
        parts = [spelled(each) for each in value]  # type: ignore[attr-defined]  # It is a tuple.
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if not attrs.has(kind):
        return repr(value)
    told = [
        f"{attribute.alias}={spelled(getattr(value, attribute.name))}"
        for attribute in attrs.fields(kind)
        if attribute.init and not _by_default(attribute, getattr(value, attribute.name))
    ]
    return f"{kind.__name__}({', '.join(told)})"


def _by_default(attribute: Any, value: object) -> bool:
    default = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # It is a class at run time.
        if default.takes_self:
            return False
        default = default.factory()
    if callable(attribute.converter):
        default = default if default is attrs.NOTHING else attribute.converter(default)
    return bool(value == default)
