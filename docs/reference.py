"""Whether the reference leaves nothing out: every public name, and whatever a page says to import.

`conf.py` asks on each build, and a name that is missing fails it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

INSIDE = {
    "immutable.model.records": "the contract's trace shows why, as the record has it",
}
"""What is imported in a page and is no promise, with the reason."""


def documented() -> list[str]:
    """Return the modules that have a place in the reference."""
    pages = (ROOT / "docs" / "api").glob("*.md")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    return sorted(set(re.findall(r"^\.\. automodule:: (\S+)", text, re.MULTILINE)))


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a page's or an example's code imports of this project: modules and names."""
    found = re.findall(
        r"^ *from (immutable\w*(?:\.\w+)*) import (?:\(([^)]*)\)|([^\n#]*))", text, re.MULTILINE
    )
    for module, several, one in found:
        for name in (several or one).replace("\n", " ").split(","):
            if word := name.split(" as ")[0].strip():
                yield module, word


def used() -> set[tuple[str, str]]:
    """Return what readers are told to import."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.py")]
    names = {each for page in pages for each in imported(page.read_text(encoding="utf-8"))}
    return {each for each in names if not each[0].startswith("immutable_acme")}


def missing(objects: Collection[str]) -> list[str]:
    """Return what the reference should have and has not.

    A class or function is there when it is described anywhere, under whichever of its names.

    Args:
        objects: Full names of all that is described.
    """
    there = {id(found) for name in objects if callable(found := _found(name))}
    wanted = {
        (module, name)
        for module in documented()
        for name in getattr(import_module(module), "__all__", ())
    }
    told = {each for each in used() if each[0] not in INSIDE}
    return sorted(
        f"{module}.{name}"
        for module, name in wanted | told
        if f"{module}.{name}" not in objects and id(_found(f"{module}.{name}")) not in there
    )


def _found(name: str) -> Any:
    """Return what a full name stands for; None for nothing."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing: Any = import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            thing = getattr(thing, part, None)
        return thing
    return None
