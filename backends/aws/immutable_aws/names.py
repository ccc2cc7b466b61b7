"""The names of what is made: functions of fleet and revision alone. Pure."""

from __future__ import annotations

import hashlib
import re

__all__ = ["group_name", "target_group_name", "token"]

_TARGET_GROUP = 32
"""What a target group's name may have at most (CreateTargetGroup)."""


def group_name(fleet: str, revision: int) -> str:
    """Return the name of a revision's Auto Scaling group, and of its launch template."""
    return f"{fleet}-r{revision}"


# "web", 2: "web-r2". "my_shop.front", 2: "my-shop-front-3f2a91c0-r2": the digits tell it apart.
def target_group_name(fleet: str, revision: int) -> str:
    """Return the name of a revision's own target group: letters, digits and hyphens, 32 at most."""
    end = f"-r{revision}"
    plain = re.sub(r"[^A-Za-z0-9]+", "-", fleet).strip("-")
    if plain == fleet and len(plain) + len(end) <= _TARGET_GROUP:
        return plain + end
    digits = f"-{hashlib.sha256(fleet.encode()).hexdigest()[:8]}"
    room = _TARGET_GROUP - len(digits) - len(end)
    return (plain[:room].rstrip("-") + digits + end).lstrip("-")


def token(given: str, *request: object) -> str:
    """Return what makes one request of one call known to AWS: 64 characters.

    Args:
        given: The token of the call.
        request: What else tells this request from the others of the call.
    """
    text = "\n".join((given, *map(str, request)))
    return hashlib.sha256(text.encode()).hexdigest()
