"""What the canary looks like wherever it is: for tests, and for the emulators' processes."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

VARIABLE = "IMMUTABLE_TEST_CANARY"
"""Holds the value, for processes that tests start."""
LEAKS = "IMMUTABLE_TEST_CANARY_LEAKS"
"""Names the file in which emulators note what they were sent."""
_CORE = 24
"""Letters and digits in the middle of the value: they survive quoting, and are looked for."""


def new_value() -> str:
    """Return a value that no chance brings about, with signs in it that addresses must quote."""
    return f"cnry/{secrets.token_hex(_CORE // 2)}+&"


def forms(value: str) -> tuple[bytes, ...]:
    """Return how the middle of a value looks: as it is, in hex, in base64 from any place on."""
    core = value.removeprefix("cnry/")[:_CORE].encode()
    coded = []
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + core + bytes(3))
        # What shares its three bytes with a neighbour looks otherwise beside another one.
        coded.append(whole[4 if shift else 0 : (shift + len(core)) // 3 * 4])
    return core, core.hex().encode(), core.hex().upper().encode(), *coded


def seen_in(data: bytes, looked_for: Iterable[bytes]) -> bool:
    """Whether a value is in bytes, in any of its forms."""
    return any(each in data for each in looked_for)


def watched_by_emulators(what: str, data: bytes) -> None:
    """Note that an emulator was sent the canary; called in its process, for every request."""
    value, file = os.environ.get(VARIABLE), os.environ.get(LEAKS)
    if value and file and data:
        looked_for = forms(value)
        if seen_in(data, looked_for) or seen_in(unquote_to_bytes(data), looked_for):
            with Path(file).open("a") as notes:
                notes.write(f"a request to an emulator, {what}\n")
