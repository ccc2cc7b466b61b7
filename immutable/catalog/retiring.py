"""Retiring images that nobody needs: which those are, and what goes on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from attrs import frozen

from immutable.catalog.state import Catalog, Version
from immutable.errors import InvalidValue
from immutable.model.catalog import Retired

__all__ = ["Retention", "retire", "unneeded"]


@frozen
class Retention:
    """For how long images are kept that nobody needs.

    Attributes:
        newest: How many of each name stay, whatever their age: those that were added last.
        older: Seconds since it was added, before which an image stays.
        back: To how many versions each channel can be rolled back; they stay.
        name: The name whose versions it is about; empty for all.
    """

    newest: int = 5
    older: float = 30 * 86_400.0
    back: int = 3
    name: str = ""

    def __attrs_post_init__(self) -> None:
        for name in ("newest", "older", "back"):
            if getattr(self, name) < 0:
                raise InvalidValue(name, getattr(self, name), "less than nothing", "write 0")


def unneeded(
    catalog: Catalog, now: float, used: Collection[str], how: Retention
) -> tuple[Version, ...]:
    """Return the versions that nobody needs, the oldest first.

    A version is needed that is used, that a channel points at or can be rolled back to, that is
    among the newest of its name, or young. What it was built on is not needed to launch it.

    Args:
        catalog: The catalog.
        now: The time.
        used: Digests of what fleets run, are going to, or would go back to.
        how: For how long others are kept.
    """
    needed = {*used, *catalog.retired}
    for channel in catalog.channels:
        current = catalog.current(channel)
        ways = catalog.way_back(channel)[: how.back]
        needed |= {each.digest for each in (current, *ways) if each is not None}
    by_name: defaultdict[str, list[Version]] = defaultdict(list)
    for version in catalog.versions.values():
        by_name[version.name].append(version)
    for versions in by_name.values():
        needed |= {each.digest for each in versions[max(0, len(versions) - how.newest) :]}
    return tuple(
        each for each in catalog.versions.values()
        if each.digest not in needed
        and each.added_at <= now - how.older
        and how.name in ("", each.name)
    )  # fmt: skip


def retire(
    catalog: Catalog,
    now: float,
    used: Collection[str],
    how: Retention,
    *,
    actor: str,
    reason: str = "",
) -> tuple[Retired, ...]:
    """Return what retiring all that nobody needs writes down.

    Args:
        catalog: The catalog as it is.
        now: The time.
        used: As for `unneeded`.
        how: As for `unneeded`.
        actor: On whose behalf, as claimed.
        reason: Why.
    """
    found = unneeded(catalog, now, used, how)
    return tuple(Retired(each.digest, reason, actor) for each in found)
