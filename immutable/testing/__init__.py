"""Tools for tests of programs and backends that use the SDK: virtual time, the conformance suite.

`BackendConformance` needs pytest: ``pip install immutable-sdk[testing]``.
"""

from immutable.model import LoopClock
from immutable.testing.accessors import Accessors, Mishap
from immutable.testing.conformance import BackendConformance
from immutable.testing.outcome import Breach, NotDeclared, Skipped
from immutable.testing.recorder import Recorder
from immutable.virtual import VirtualLoop, run

__all__ = [
    "Accessors",
    "BackendConformance",
    "Breach",
    "LoopClock",
    "Mishap",
    "NotDeclared",
    "Recorder",
    "Skipped",
    "VirtualLoop",
    "run",
]
