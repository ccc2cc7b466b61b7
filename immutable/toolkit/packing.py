"""Values that are too long for one tag, spread over several; and back. Pure."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

__all__ = ["LONGEST", "pack", "packed_keys", "unpack"]

LONGEST = 256
"""What a tag's value may have at most, in letters: the least that is known of clouds with tags
("Tag restrictions", Amazon EC2 User Guide; "Use tags to organize your Azure resources")."""


# {"a": 1} under "saved": {"saved.0": "1.eJyrVkpU…"}: the number of parts, then the data.
def pack(name: str, value: Any) -> dict[str, str]:
    """Return tags that hold a JSON value.

    Base64, since its letters are allowed in tags; compressed, since a resource has few of them.

    Args:
        name: What the tags' keys begin with.
        value: Anything that JSON knows.
    """
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    data = b64encode(zlib.compress(text.encode(), 9)).decode()
    room = LONGEST - len("00.")
    parts = [data[start : start + room] for start in range(0, len(data), room)]
    tags = {f"{name}.{number}": part for number, part in enumerate(parts)}
    tags[f"{name}.0"] = f"{len(parts)}.{parts[0]}"
    return tags


def unpack(name: str, tags: Mapping[str, str]) -> Any:
    """Return the value that `pack` put into *tags*; None when there is none, or it is damaged."""
    count, _, first = tags.get(f"{name}.0", "").partition(".")
    if not count.isdigit():
        return None
    rest = [tags.get(f"{name}.{number}", "") for number in range(1, int(count))]
    try:
        return json.loads(zlib.decompress(b64decode("".join((first, *rest)))))
    except (ValueError, zlib.error):
        return None


def packed_keys(name: str, tags: Mapping[str, str]) -> list[str]:
    """Return the keys of all tags that a value under *name* has, or once had."""
    return [key for key in tags if key.startswith(f"{name}.") and key[len(name) + 1 :].isdigit()]
