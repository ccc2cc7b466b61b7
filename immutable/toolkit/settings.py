"""The settings of a new fleet: names and texts that a user writes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from immutable.errors import Invalid

__all__ = ["check_settings", "is_number", "named", "words"]


def words(text: str) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def is_number(text: str, least: int = 0) -> bool:
    """Return whether a text is a number from *least* to 99,999, or empty."""
    return not text or (text.isdigit() and least <= int(text) < 100_000)


# {"tag.team": "shop", "zones": "1"} under "tag.": {"team": "shop"}
def named(settings: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the settings whose names begin with *prefix*, by the rest of their names."""
    return {
        name[len(prefix) :]: value for name, value in settings.items() if name.startswith(prefix)
    }


def check_settings(
    settings: Mapping[str, str],
    known: Mapping[str, str],
    checks: Mapping[str, Callable[[str], bool]],
    prefix: str,
    fits: Callable[[str], bool] = bool,
) -> None:
    """Refuse settings that make no sense, and name all that is wrong.

    Args:
        settings: What the user wrote.
        known: By name, what to write.
        checks: By name, whether a text is good; of what isn't given the text is empty.
        prefix: What settings of any other name begin with, such as ``tag.``.
        fits: Whether the rest of such a name is good.

    Raises:
        Invalid: Something is wrong.
    """
    wrong = [
        f"no setting {name}; there are {', '.join(known)} and {prefix}NAME"
        for name in settings
        if name not in known and not (name.startswith(prefix) and fits(name.removeprefix(prefix)))
    ]
    wrong += [
        f"{name}={settings.get(name, '')!r}: write {known[name]}"
        for name, good in checks.items()
        if not good(settings.get(name, ""))
    ]
    if wrong:
        raise Invalid("; ".join(wrong))
