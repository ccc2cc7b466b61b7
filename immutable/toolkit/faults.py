"""From a provider's error to one of the contract: codes, causes, texts without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from immutable.errors import BackendError

__all__ = ["Kinds", "causes", "kind_by_code", "shown"]

Kinds = Iterable[tuple[Collection[str], type[BackendError]]]
"""Codes and what they mean, the more telling first: "throttled" says more than "conflict"."""

_LONGEST = 400


def kind_by_code(kinds: Kinds, *codes: str) -> type[BackendError] | None:
    """Return what the first entry means that knows one of these codes; None when none does (X1)."""
    for known, kind in kinds:
        if not set(codes).isdisjoint(known):
            return kind
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, the outer one first."""
    while error is not None:
        yield error
        error = error.__cause__


def shown(text: str, secrets: re.Pattern[str]) -> str:
    """Return a provider's words in one line, as long as a message should be, without secrets (E6).

    Args:
        text: What it said.
        secrets: What keys and tokens of that provider look like.
    """
    return secrets.sub("…", " ".join(text.split()))[:_LONGEST]
