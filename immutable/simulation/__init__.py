"""Rehearsing a rollout: the real plan and the real engine, on a simulated twin of the fleet.

`immutable.Fleet.rehearse` is the door; what is asked (`Throttling`, `NoRoom`, …) and what is
answered (`Rehearsal`) are the values here. Virtual time, many trials, the same for equal seeds.
"""

from immutable.simulation.rehearsal import Rehearsal, compare
from immutable.simulation.rehearse import Rehearsing, rehearse
from immutable.simulation.scenarios import (
    Autoscaler,
    BadImage,
    ControllerCrash,
    LostAnswers,
    NoRoom,
    Scenario,
    Throttling,
    parse,
    spelled,
)
from immutable.simulation.spans import Fixed, Lognormal, Measured, Span, Spans
from immutable.simulation.trial import Point, Trial

__all__ = [
    "Autoscaler",
    "BadImage",
    "ControllerCrash",
    "Fixed",
    "Lognormal",
    "LostAnswers",
    "Measured",
    "NoRoom",
    "Point",
    "Rehearsal",
    "Rehearsing",
    "Scenario",
    "Span",
    "Spans",
    "Throttling",
    "Trial",
    "compare",
    "parse",
    "rehearse",
    "spelled",
]
