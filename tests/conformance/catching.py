"""Which checks see which broken backend; written into docs/conformance.md.

``python -m tests.conformance.catching`` plays all mutants and writes the page's tables anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

from immutable.memory import MemoryBackend
from immutable.testing import Breach, Skipped
from immutable.testing.check import Check, run_check
from immutable.testing.checks import catalogue
from immutable.testing.rules import RULES, UNCHECKED
from immutable.testing.scrutiny import EVERY_LOOK
from tests.conformance.memory import MemoryAuthor
from tests.conformance.mutants import MUTANTS, Mutant

SHOWN = 3
"""How many of the checks that see a mutant are shown."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def failure(check: Check, kind: type[MemoryBackend]) -> str | None:
    """Return what a check has against a backend on a new cloud; None when it has nothing."""
    author = MemoryAuthor()
    try:
        run_check(check, author, author.make(kind))
    except Breach as error:
        return str(error)
    except Skipped:
        return None
    return None


def catching(mutant: Mutant) -> Iterator[tuple[str, str]]:
    """Return the checks that see that a mutant breaks its rule, each with what it says of it."""
    for check in catalogue():
        if mutant.rule in check.rules or mutant.rule in EVERY_LOOK:
            told = failure(check, mutant.kind)
            if told is not None and f"  {mutant.rule}: {RULES[mutant.rule]}" in told:
                yield check.name, told


@cache
def seen_by(mutant: Mutant) -> tuple[tuple[str, str], ...]:
    """Return the first of them: that there are some is what matters."""
    return tuple(islice(catching(mutant), SHOWN))


def mutants_table() -> list[str]:
    """Return the mutants, and what saw each."""
    rows = ["| broken | rule | seen by |", "| --- | --- | --- |"]
    for mutant in MUTANTS:
        names = [f"`{name}`" for name, _ in seen_by(mutant)]
        rows.append(f"| {mutant.what} | {mutant.rule} | {', '.join(names)} |")
    return rows


def rules_table() -> list[str]:
    """Return every rule, and the checks that prove it or the reason why none does."""
    rows = ["| rule | in words | proved by |", "| --- | --- | --- |"]
    for rule, words in RULES.items():
        names = [f"`{check.name}`" for check in catalogue() if rule in check.rules]
        names = ["every look of every check"] * (rule in EVERY_LOOK) + names
        rows.append(f"| {rule} | {words} | {', '.join(names) or f'none: {UNCHECKED[rule]}'} |")
    return rows


TABLES = {"rules": rules_table, "mutants": mutants_table}


def page() -> str:
    """Return the page with its tables as they are now."""
    text = PAGE.read_text()
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        head, _, rest = text.partition(begin)
        text = head + begin + "\n" + "\n".join(table()) + "\n\n" + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
