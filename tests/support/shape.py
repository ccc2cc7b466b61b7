"""Whether a JSON document has the shape that a schema gives: as much of JSON Schema as is used."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[2] / "docs" / "command.schema.json"
_KINDS = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


@cache
def command_schema() -> dict[str, Any]:
    """Return the schema of what the command prints for --json."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def wrong(document: Any, shape: dict[str, Any], place: str = "$") -> str:
    """Return what of a document is not as its schema says; empty if all is.

    Stricter than JSON Schema: what is not listed must not be there.
    """
    if "$ref" in shape:
        defined = command_schema()["$defs"][shape["$ref"].rpartition("/")[2]]
        return wrong(document, defined, place)
    if "anyOf" in shape:
        found = [wrong(document, each, place) for each in shape["anyOf"]]
        return "" if "" in found else " and ".join(found)
    for word, fits in (("enum", lambda given: document in given), ("const", document.__eq__)):
        if word in shape and not fits(shape[word]):
            return f"{place} is {document!r}, not {shape[word]}"
    kind = shape.get("type")
    if kind is not None and not _is(document, kind):
        return f"{place} is {str(document)[:80]!r}, no {kind}"
    if kind == "array":
        inside = (wrong(v, shape["items"], f"{place}[{n}]") for n, v in enumerate(document))
        return next(filter(None, inside), "")
    return _wrong_inside(document, shape, place) if kind == "object" else ""


def _is(document: Any, kind: str) -> bool:
    if kind == "null":
        return document is None
    if kind == "number":
        return isinstance(document, int | float) and not isinstance(document, bool)
    return isinstance(document, _KINDS[kind]) and not (
        kind == "integer" and document in (True, False) and isinstance(document, bool)
    )


def _wrong_inside(document: dict[str, Any], shape: dict[str, Any], place: str) -> str:
    for name in shape.get("required", ()):
        if name not in document:
            return f"{place} has no {name}"
    for name, value in document.items():
        each = shape.get("properties", {}).get(name, shape.get("additionalProperties"))
        if each is None:
            return f"{place} has {name}, which is not documented"
        if found := wrong(value, each, f"{place}.{name}"):
            return found
    return ""


def held(words: list[str], printed: str) -> None:
    """Hold what a command has printed for --json against the schema.

    Raises:
        AssertionError: It isn't as documented.
    """
    commands = command_schema()["commands"]
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in commands), None)
    assert name is not None, f"what {words[:2]} prints is not documented: docs/schemas.py"
    for line in printed.splitlines():
        found = wrong(json.loads(line), commands[name])
        assert not found, f"{name}: {found}; run: python docs/schemas.py"
