"""A compliance pack as a page: the changes, what they lack, the share that is immutable. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from immutable.report.telling import table

__all__ = ["page"]

_CHANGES = ("change", "what", "by", "from, to", "when", "outcome")
_EXCEPTIONS = ("fleet", "instance", "kind", "why")
_CONTROLS = ("control", "asks that", "answered by", "not answered", "text")


def page(
    changes: Sequence[dict[str, Any]],
    lacks: Sequence[str],
    controls: Sequence[dict[str, Any]],
    inventory: dict[str, Any] | None,
    made: str,
) -> str:
    """Return a pack as one HTML file.

    Args:
        changes: The change records.
        lacks: What those lack, a sentence each.
        controls: The control map.
        inventory: What share is immutable, and the exceptions; None when nobody looked.
        made: When the pack was made, in words.
    """
    from immutable.report.page import rendered  # It loads Jinja.

    exceptions = list(_exceptions(inventory))
    return rendered(
        "evidence.html",
        title="Changes of fleets of servers",
        mood="bad" if lacks else "good",
        state=f"{_many(len(changes), 'change')}, {_lacking(len(lacks))}",
        made=made,
        checkpoint=changes[0]["log"]["checkpoint"].strip() if changes else "",
        share=list(_share(inventory)),
        lacks=list(lacks),
        changes=table("Changes, the oldest first", _CHANGES, list(map(_change, changes))),
        exceptions=table("Exceptions", _EXCEPTIONS, exceptions) if exceptions else None,
        controls=table("Controls", _CONTROLS, list(map(_control, controls))),
    )


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _lacking(count: int) -> str:
    return f"{_many(count, 'field')} lacking" if count else "complete"


def _change(each: dict[str, Any]) -> tuple[str, ...]:
    given = ", ".join(one["by"] for one in each["approved_by"]["given"])
    wanted = "approved by nobody" if each["approved_by"]["wanted"] else "no approval asked for"
    told = each["outcome"]
    reason = f": {told['reason']}" if told["reason"] else ""
    return (
        each["change"],
        f"{each['type']} {each['fleet']}: {each['reason']}",
        f"{each['requested_by']}; {f'approved by {given}' if given else wanted}",
        " to ".join(f"r{each[end]['revision']} {each[end]['artifact']}" for end in ("from", "to")),
        f"{each['started_at']} to {each['finished_at']}",
        f"{told['status'].replace('_', ' ')}{reason}",
    )


def _control(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{each['framework']} {each['number']}",
        each["asks"],
        ", ".join(each["answered_by"]),
        each["not_answered"],
        "read" if each["read"] else "not read: a hint",
    )


def _share(inventory: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if inventory is None:
        yield "immutable", "not known: no fleet was looked at"
        return
    share = "none there" if inventory["percent"] is None else f"{inventory['percent']:g} %"
    counts = f"{inventory['immutable']} of {inventory['instances']} instances"
    yield "immutable", f"{share} ({counts})"
    for each in inventory["fleets"]:
        if "not_looked_at" in each:
            yield each["fleet"], f"not looked at: {each['not_looked_at']}"
        else:
            unseen = "; ".join(each["not_seen"])
            said = f"{each['immutable']} of {each['instances']}"
            yield each["fleet"], said + (f"; never seen: {unseen}" if unseen else "")


def _exceptions(inventory: dict[str, Any] | None) -> Iterator[tuple[str, ...]]:
    for fleet in inventory["fleets"] if inventory else ():
        for each in fleet.get("exceptions", ()):
            yield fleet["fleet"], each["instance"], each["kind"], "; ".join(each["why"])
