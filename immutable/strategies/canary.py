"""A growing share for the candidate, each share held under gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from attrs import field, frozen

from immutable.errors import InvalidValue, PlanRefused, Problem
from immutable.model import (
    Analysis,
    Bake,
    Capabilities,
    Commit,
    FleetState,
    Gate,
    Health,
    Route,
    Shift,
    Step,
)
from immutable.model.quantities import length, percent

__all__ = ["Canary"]


def _texts(stages: Iterable[str]) -> tuple[str, ...]:
    return (stages,) if isinstance(stages, str) else tuple(stages)


@frozen
class Canary:
    """Give the candidate a growing share, and go on only while the gates pass.

    With weighted traffic the share is one of requests: stable keeps its size, so the fleet
    doubles by and by, and the way back is one switch. Without, it is a share of instances, the
    closest that the fleet's size allows, and never none of either. A backend that can switch all
    the traffic and not divide it (``weight_step`` 100) is one without, here.

    Attributes:
        stages: The shares, rising; the last one is ``"100%"`` or is added.
        bake: How long each share is held, in seconds or as a ``datetime.timedelta``.
        gates: What watches; default `Health`, and `Analysis` where the backend counts traffic.
        keep_stable: How long stable is kept after the point of no return, where the share is
            one of requests.
    """

    stages: tuple[str, ...] = field(default=("5%", "25%", "100%"), converter=_texts)
    bake: float = field(default=300.0, converter=length)
    gates: tuple[Gate, ...] | None = None
    keep_stable: float = field(default=0.0, converter=length)

    def __attrs_post_init__(self) -> None:
        shares = self._shares()
        if not self.stages or shares[0] <= 0 or any(b <= a for a, b in pairwise(shares)):
            raise InvalidValue(
                "stages", self.stages, "shares rise from above 0 %", 'pass ("5%", "25%", "100%")'
            )

    def _shares(self) -> list[float]:
        shares = [float(100 * percent(stage, name="stages")) for stage in self.stages]
        return shares if shares[-1:] == [100] else [*shares, 100.0]

    def steps(self, state: FleetState, able: Capabilities) -> tuple[Step, ...]:
        """Return for each stage: grow, route where that can be done, bake.

        Raises:
            PlanRefused: The backend's weights are too coarse for a stage, or stable can't be kept.
        """
        del state
        if able.divides_traffic:
            steps = [
                step
                for number, share in enumerate(self._shares())
                for step in self._weighted(share, able, probe=number == 0)
            ]
            return (*steps, Commit(self.keep_stable))
        if self.keep_stable:
            problem = "keep_stable needs divided traffic, and the backend can't divide it"
            raise PlanRefused((Problem(problem, "leave keep_stable out"),))
        return (*self._by_instances(able), Commit())

    def _weighted(self, share: float, able: Capabilities, *, probe: bool) -> Iterator[Step]:
        step = able.weight_step
        if abs(share / step - round(share / step)) > 1e-9:
            problem = f"{share:g} % of the traffic: the backend's weights go by {step:g} %"
            raise PlanRefused((Problem(problem, "choose stages that are multiples of it"),))
        yield Shift(candidate=share, stable=100, probe=probe)
        yield Route(share)
        yield Bake(self.bake, self._watchers(able))

    def _by_instances(self, able: Capabilities) -> Iterator[Step]:
        for number, share in enumerate(self._shares()):
            yield Shift(candidate=share, stable=100 - share, probe=number == 0)
            yield Bake(self.bake, self._watchers(able))

    def _watchers(self, able: Capabilities) -> tuple[Gate, ...]:
        if self.gates is not None:
            return self.gates
        return (Health(), Analysis()) if able.traffic_stats else (Health(),)
