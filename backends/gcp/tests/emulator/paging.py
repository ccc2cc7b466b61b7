"""Pages and filters of lists.

Parameters of every list method: `maxResults` 0 to 500, `pageToken`, `filter`, `orderBy`
(https://cloud.google.com/compute/docs/reference/rest/v1/instances/list).
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .calls import Call
from .errors import NotEmulated, invalid

TERM = re.compile(
    r"(?:AND\s+)?(?P<open>\(?)\s*"
    r"(?P<field>[A-Za-z.]+)\s*(?P<sign>!=|=|:|\beq\b|\bne\b)\s*(?P<value>\"[^\"]*\"|[^\s()]+)"
    r"\s*(?P<close>\)?)\s*"
)


def page(
    call: Call,
    items: list[Any],
    kind: str | None,
    key: str = "items",
    *,
    pages: bool = True,
) -> dict[str, Any]:
    """One page; with `pages` False everything, whatever was asked for.

    Raises:
        GoogleError: a size or token that can't be.
        NotEmulated: an order, or a filter that isn't a list of terms.
    """
    if call.query.get("orderBy"):
        raise NotEmulated(f"{call.name} with orderBy")
    if wanted := call.query.get("filter"):
        items = [item for item in items if matches(item, wanted)]
    size = int(call.query.get("maxResults", 500))
    if not 0 <= size <= 500:
        raise invalid("maxResults", size, "Must be between 0 and 500, inclusive.")
    start = _start(call)
    said: dict[str, Any] = {"kind": kind, "id": "/".join(call.path.values())} if kind else {}
    if not pages or not size:
        return said | {key: items}
    if start + size < len(items):
        token = f"{call.name}:{start + size}".encode()
        said["nextPageToken"] = base64.urlsafe_b64encode(token).decode()
    return said | {key: items[start : start + size]}


def _start(call: Call) -> int:
    if not (token := call.query.get("pageToken")):
        return 0
    try:
        name, _, start = base64.urlsafe_b64decode(token).decode().rpartition(":")
    except ValueError:
        name, start = "", ""
    if name != call.name or not start.isdigit():
        raise invalid("pageToken", token, "The page token is not valid.")
    return int(start)


def matches(item: dict[str, Any], wanted: str) -> bool:
    """Whether a filter lets an item through.

    Terms beside each other, or with AND between them, must all hold: `name=web-1`,
    `labels.role:*`, `(status = "RUNNING") (zone ne ".*-b")`.

    Raises:
        NotEmulated: anything else.
    """
    at, fits, text = 0, True, wanted.strip()
    while at < len(text):
        found = TERM.match(text, at)
        if found is None or len(found["open"]) != len(found["close"]):
            raise NotEmulated(f"the filter {wanted!r}", 400)
        fits = _holds(item, found["field"], found["sign"], found["value"].strip('"')) and fits
        at = found.end()
    return fits


def _holds(item: dict[str, Any], field: str, sign: str, value: str) -> bool:
    has: Any = item
    for part in field.split("."):
        has = has.get(part) if isinstance(has, dict) else None
    text = "" if has is None else str(has)
    if sign == ":":
        return has is not None if value == "*" else value in text
    if sign in {"eq", "ne"}:  # RE2, the whole value.
        return (re.fullmatch(value, text) is not None) == (sign == "eq")
    pattern = ".*".join(re.escape(part) for part in value.split("*"))
    return (re.fullmatch(pattern, text) is not None) == (sign == "=")
