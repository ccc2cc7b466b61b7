"""What the extra ``trust`` brings, and what is said where it is missing."""

from __future__ import annotations

from importlib.util import find_spec

from immutable.errors import ImmutableError

__all__ = ["needed"]


def needed(*packages: str) -> None:
    """Make sure that packages can be imported.

    Raises:
        ImmutableError: One is missing; says how to install it.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImmutableError(
            f"signatures need {' and '.join(missing)};"
            " install it with: pip install 'immutable-sdk[trust]'"
        )
