"""What was handed over as signed, taken apart: has it exactly the members that it should have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from immutable.errors import InvalidValue, NotTrusted
from immutable.trust.flaws import Flaw
from immutable.trust.strict import DuplicateName, strict_json

__all__ = ["members", "signed_json"]

_WORDS: dict[type, str] = {str: "text", list: "list", dict: "object"}


def signed_json(text: str | bytes, name: str, flaw: Flaw) -> Any:
    """Return what *text* says, if it can be read in one way only.

    Raises:
        NotTrusted: It can't; the flaw is *flaw*, or that a name is there twice.
    """
    try:
        return strict_json(text, name)
    except DuplicateName as error:
        raise NotTrusted(Flaw.REPEATED_NAME, str(error)) from error
    except InvalidValue as error:
        raise NotTrusted(flaw, str(error)) from error


def members(
    data: Any, kinds: Mapping[str, type], what: str, refuse: Callable[[str], NoReturn]
) -> None:
    """Refuse what is no object of exactly these members, each of its type.

    Args:
        data: What was read.
        kinds: Texts, lists and objects, by the members' names.
        what: What to call it.
        refuse: What raises the error, by its reason.
    """
    if not isinstance(data, dict):
        refuse(f"{what} is no object")
    for key in kinds:
        if key not in data:
            refuse(f"{what} has no {key!r}")
    for key in data:
        if key not in kinds:
            refuse(f"{what} has {key!r}, which nothing here knows the meaning of")
    for key, kind in kinds.items():
        if type(data[key]) is not kind:
            refuse(f"{key!r} of {what} is no {_WORDS[kind]}")
