"""Durations drawn from laws, and knobs that a test turns."""

from __future__ import annotations

import math
import random
from typing import Any

from attrs import define, field, fields_dict

Law = float | dict[str, list[float]]
"""Seconds: a number, `{"uniform": [low, high]}` or `{"lognormal": [median, sigma]}`."""


class Knobs:
    """A mutable attrs class whose fields a test may change by name."""

    def change(self, **knobs: Any) -> None:
        """Turn some knobs.

        Raises:
            ValueError: there is no such knob.
        """
        known = fields_dict(type(self))  # type: ignore[arg-type]
        for name, value in knobs.items():
            if name not in known:
                raise ValueError(f"no knob {name!r}; there are {sorted(known)}")
            setattr(self, name, value)


@define
class Chances:
    """Durations drawn from laws, the same in every run with the same seed."""

    seed: int = 1
    _random: random.Random = field(init=False, factory=lambda: random.Random(1))

    def reseed(self, seed: int) -> None:
        """Begin again."""
        self.seed = seed
        self._random = random.Random(seed)

    def draw(self, law: Law) -> float:
        """A duration in seconds.

        Raises:
            ValueError: there is no such law.
        """
        if not isinstance(law, dict):
            return float(law)
        ((name, (first, second)),) = law.items()
        if name == "uniform":
            return self._random.uniform(first, second)
        if name == "lognormal":
            return self._random.lognormvariate(math.log(first), second)
        raise ValueError(f"no law {name!r}: uniform, lognormal or a number of seconds")

    def word(self, length: int, letters: str = "bcdfghjklmnpqrstvwxz0123456789") -> str:
        """Some letters, as clouds append them to names."""
        return "".join(self._random.choices(letters, k=length))

    def number(self, digits: int) -> int:
        """A number of so many digits, as clouds give out for ids."""
        return self._random.randrange(10 ** (digits - 1), 10**digits)


@define(kw_only=True)
class Fate:
    """What happens to machines that match; the first fate that matches counts. Clouds add to it.

    Args:
        zone: only those in this zone.
        times: only so many of those that match, then the fate is used up.
        skip: first let so many that match pass.
        boot: a law; None for never: it never runs. `law` for what holds for everybody.
        answers: a law; None for never: it runs, and no health check succeeds.
        dies: seconds until it is lost, as the cloud counts and calls that.
        sickens: seconds after it began to answer at which health checks begin to fail.
    """

    zone: str | None = None
    times: int | None = None
    skip: int = 0
    boot: Any = "law"
    answers: Any = "law"
    dies: float | None = None
    sickens: float | None = None

    def takes(self, zone: str, fits: bool) -> bool:
        """Whether a machine of a zone that fits otherwise is meant; counts it, if so."""
        if not fits or self.zone not in {None, zone} or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
