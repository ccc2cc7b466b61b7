"""Which broken backends there are, and which rule each one breaks."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from immutable.memory import MemoryBackend


@frozen
class Mutant:
    """A backend that is broken in one way.

    Attributes:
        what: What it does wrong.
        rule: The rule that it breaks.
        kind: Its class.
    """

    what: str
    rule: str
    kind: type[MemoryBackend]


MUTANTS: list[Mutant] = []


def mutant(rule: str, what: str) -> Callable[[type[MemoryBackend]], type[MemoryBackend]]:
    """Make a class a mutant."""

    def made(kind: type[MemoryBackend]) -> type[MemoryBackend]:
        MUTANTS.append(Mutant(what, rule, kind))
        return kind

    return made
