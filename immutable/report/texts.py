"""Texts that others wrote, so that they can be shown. Pure."""

from __future__ import annotations

import unicodedata

__all__ = ["LONGEST", "visible"]

LONGEST = 2_000
"""Characters that a text may have on a page; of longer ones the beginning is shown."""

_KEPT = "\n\t"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def visible(text: str) -> str:
    r"""Return a text without what can't be seen but acts: it is spelled out instead.

    Control characters, and those that turn the direction of writing, become ``\u202e`` in letters;
    half surrogates too, which no file could hold. What is too long is cut, and says so.
    """
    shown = "".join(
        char
        if char in _KEPT or unicodedata.category(char) not in _HIDDEN
        else f"\\u{ord(char):04x}"
        for char in text[:LONGEST]
    )
    rest = len(text) - LONGEST
    return f"{shown} … ({rest} more characters)" if rest > 0 else shown


def _spelled(char: str) -> str:
    seen = char in _KEPT or unicodedata.category(char) not in _HIDDEN
    return char if seen else f"\\u{ord(char):04x}"
