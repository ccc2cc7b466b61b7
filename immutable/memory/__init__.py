"""A cloud in memory: for examples, for tests of your own programs, for the SDK's own tests.

Time laws, images that misbehave and faults of every kind are set by the test; on a virtual loop
(`immutable.testing.run`) hours take milliseconds.
"""

from immutable.memory.backend import MemoryBackend
from immutable.memory.cloud import Cloud
from immutable.memory.faults import Fault, Faults, When
from immutable.memory.laws import Behaviour, Law, Laws, exponential, fixed, lognormal, vm
from immutable.memory.parts import Scaler
from immutable.memory.rates import Rates
from immutable.memory.room import Quota
from immutable.memory.scaling import Schedule, Tracking

__all__ = [
    "Behaviour",
    "Cloud",
    "Fault",
    "Faults",
    "Law",
    "Laws",
    "MemoryBackend",
    "Quota",
    "Rates",
    "Scaler",
    "Schedule",
    "Tracking",
    "When",
    "exponential",
    "fixed",
    "lognormal",
    "vm",
]
