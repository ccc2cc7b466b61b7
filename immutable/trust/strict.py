"""JSON read so that nothing is passed over: what two readers could take differently is an error.

Python's reader keeps the last of two equal names, takes ``NaN``, and makes a float of a number that
is too long; another reader keeps the first name, and so one signed text has two meanings. RFC 8259
(section 4) leaves that open; RFC 7493 (I-JSON), which RFC 8785 builds on, forbids it.
"""

from __future__ import annotations

import json
from typing import Any

from immutable.errors import InvalidValue

__all__ = ["DuplicateName", "strict_json"]

LONGEST = 4 * 2**20
"""Bytes of the longest text that is read: a manifest or an envelope has some thousands."""

_EXACT = 2**53
"""Where integers end that every reader of JSON takes for what they are (RFC 7493, 2.2)."""


class DuplicateName(InvalidValue):
    """An object in the text has the same name twice."""


def strict_json(text: str | bytes, name: str) -> Any:
    """Return what *text* says, if it can be read in one way only.

    Args:
        text: UTF-8, if it is bytes.
        name: What to call it in errors, such as ``manifest``.

    Raises:
        DuplicateName: An object has two members of one name; which of them counts, no rule says.
        InvalidValue: It is no JSON, too long or too deep, or has a number that not every reader
            takes for the same.
    """
    if len(text) > LONGEST:
        raise InvalidValue(name, f"{len(text)} bytes", f"more than {LONGEST} bytes")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        found = json.loads(
            decoded,
            object_pairs_hook=_object(name),
            parse_int=_integer(name),
            parse_float=_no_number(name),
            parse_constant=_no_number(name),
        )
        if "\\u" in decoded or not isinstance(text, bytes):
            # Half of a surrogate pair can be spelled, and then not be written.
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise InvalidValue(name, "[[[[…", "nested too deep") from None
    except InvalidValue:
        raise
    except ValueError as error:  # A text that is no UTF-8 is one too.
        shown = text[:40].decode(errors="replace") if isinstance(text, bytes) else text[:40]
        way_out = "pass the file as it was written; it may be cut off"
        raise InvalidValue(name, shown, f"no JSON: {error}", way_out) from error
    return found


def _object(name: str) -> Any:
    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                way_out = "leave one of them out; whoever wrote this may want two readings of it"
                raise DuplicateName(name, key, "the same name twice in one object", way_out)
            found[key] = value
        return found

    return read


def _integer(name: str) -> Any:
    def read(digits: str) -> int:
        if len(digits) > 17 or not -_EXACT < int(digits) < _EXACT:
            way_out = "write it as a text"
            raise InvalidValue(name, digits[:40], "beyond 2^53, where readers differ", way_out)
        return int(digits)

    return read


def _no_number(name: str) -> Any:
    def read(digits: str) -> Any:
        way_out = "write a whole number, or a text"
        raise InvalidValue(name, digits[:40], "no whole number", way_out)

    return read
