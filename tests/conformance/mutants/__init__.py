"""Backends that are broken on purpose, in one way each: the suite has to see it."""

from tests.conformance.mutants import (
    changing,
    creating,
    growing,
    holding,
    inspecting,
    keeping,
    looking,
    retiring,
    weighing,
    withdrawing,
)
from tests.conformance.mutants.registry import MUTANTS, Mutant

__all__ = [
    "MUTANTS",
    "Mutant",
    "changing",
    "creating",
    "growing",
    "holding",
    "inspecting",
    "keeping",
    "looking",
    "retiring",
    "weighing",
    "withdrawing",
]
