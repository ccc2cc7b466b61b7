"""The rules of detect-secrets (the extra ``scan``), used as they are but for those by entropy.

Only in a process of its own: its settings are one for all, and its expressions have no bound on
their time. Its filters are not used: what is harmless says `immutable.scanning.harmless`, and an
exception stands in a file with a reason, not in a comment beside the secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from immutable.scanning.forms import Hit
from immutable.scanning.harmless import is_harmless

__all__ = ["found_by_plugins", "installed"]

_LEFT_OUT = {
    "Base64HighEntropyString",  # Checksums, keys that are public, images: they say it of all.
    "HexHighEntropyString",
    "PrivateKeyDetector",  # It takes the first line for the secret: all keys would be one.
    "KeywordDetector",  # `assignments` reads more kinds of files, and knows what is harmless.
    "IPPublicDetector",  # An address is no secret.
}
_LONGEST = 20_000


def installed() -> bool:
    """Whether the extra is there."""
    from importlib.util import find_spec

    return find_spec("detect_secrets") is not None


@cache
def _plugins() -> tuple[Any, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
    return tuple(each() for each in found if each.__name__ not in _LEFT_OUT)


def found_by_plugins(text: str) -> Iterator[Hit]:
    """Yield what the plug-ins find, line by line."""
    for number, line in enumerate(text.split("\n"), 1):
        for at in range(0, len(line), _LONGEST):
            piece = line[at : at + _LONGEST]
            for plugin in _plugins():
                for value in plugin.analyze_string(piece):
                    if value and not is_harmless(value):
                        yield Hit(plugin.secret_type.lower(), number, value)
