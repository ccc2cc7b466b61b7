"""What watches a rollout, as frozen values in the plan; carried out by `immutable.gates`."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.model.quantities import percent

__all__ = [
    "Analysis",
    "Approval",
    "Check",
    "Gate",
    "Health",
    "Reaction",
    "Reactions",
    "Verdict",
]


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105  # No password.
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """Not enough is known; no data is never a pass."""
    ERROR = "error"
    """The gate itself doesn't work."""


class Reaction(StrEnum):
    """What a rollout does about a verdict."""

    ROLLBACK = "rollback"
    """Go back to stable."""
    PAUSE = "pause"
    """Stop until somebody says ``resume``, ``promote`` or ``abort``."""
    FREEZE = "freeze"
    """Stop until the verdict changes."""
    CONTINUE = "continue"
    """Go on as if it had passed."""


@frozen
class Reactions:
    """What a rollout does about each verdict that is no PASS.

    FAIL acts at once, whenever it is said. INCONCLUSIVE matters when the time of a bake is over,
    ERROR when it lasts.

    Attributes:
        fail: About FAIL.
        inconclusive: About INCONCLUSIVE.
        error: About ERROR.
    """

    fail: Reaction = field(default=Reaction.ROLLBACK, converter=Reaction)
    inconclusive: Reaction = field(default=Reaction.PAUSE, converter=Reaction)
    error: Reaction = field(default=Reaction.PAUSE, converter=Reaction)


def _at_least_one(_: object, attribute: object, value: int) -> None:
    if value < 1:
        raise InvalidValue(getattr(attribute, "name", "value"), value, "at least 1")


@frozen
class Health:
    """Candidate instances stay READY. A broken stable is no reason to stop a good candidate.

    Attributes:
        ready: The share of the candidate's instances that must be READY, as ``"90%"``; at least
            one may always be missing of more than one, since one that is replaced is missing.
        dwell: How many looks in a row must agree, for a pass and for a failure.
        reactions: What to do about a verdict.
    """

    ready: str = field(default="90%", validator=lambda *args: percent(args[2], name="ready"))
    dwell: int = field(default=3, validator=_at_least_one)
    reactions: Reactions = Reactions()

    def __str__(self) -> str:
        return f"health ({self.ready} READY, {self.dwell} looks in a row)"


@frozen
class Approval:
    """Somebody says ``promote``.

    Attributes:
        who: Who is asked, in words.
        reactions: What to do about a verdict; without an approval it is INCONCLUSIVE, and waits.
    """

    who: str = ""
    reactions: Reactions = Reactions(inconclusive=Reaction.FREEZE)

    def __str__(self) -> str:
        return f"approval by {self.who}" if self.who else "approval"


@frozen
class Analysis:
    """The candidate's errors and latency are compared with what stable serves at the same time.

    Sequential and anytime-valid: looking often costs nothing in false alarms. See
    ``docs/canary-figures.md`` for what it finds how fast.

    Attributes:
        source: Where the counters come from: ``"backend"``, or the name of a metric source with
            its own address after a colon (``"prometheus:http://…"``).
        alpha: The chance of a false alarm over the whole rollout, all looks and metrics.
        margin: By how much errors and slow requests may be more frequent before that is a
            failure: 0.25 is a quarter.
        tolerance: By how much they may be for a candidate to be certified; at least the margin.
        interval: Seconds between two looks.
        requests: How many requests each side must have answered before a bake can pass.
        strict: Whether only a certified candidate passes: one that is proven to be within the
            tolerance. Else one passes that has answered enough requests without a failure.
        early: Whether a bake may end as soon as the candidate is certified.
        tempered: Whether the noise between stable's own instances weakens the evidence.
        reactions: What to do about a verdict.
    """

    source: str = "backend"
    alpha: float = 0.05
    margin: float = 0.0
    tolerance: float = 0.25
    interval: float = 15.0
    requests: int = field(default=500, validator=_at_least_one)
    strict: bool = False
    early: bool = False
    tempered: bool = True
    reactions: Reactions = Reactions()

    def __attrs_post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InvalidValue("alpha", self.alpha, "a chance is between 0 and 1", "pass 0.05")
        if not 0 <= self.margin <= self.tolerance or self.tolerance == 0:
            pair = (self.margin, self.tolerance)
            raise InvalidValue("margin, tolerance", pair, "0 <= margin <= tolerance, above 0")
        if self.interval <= 0:
            raise InvalidValue("interval", self.interval, "looks take time", "pass 15")

    def __str__(self) -> str:
        rule = "certified only" if self.strict else f"{self.requests} requests each"
        return f"analysis of {self.source} traffic (alpha {self.alpha:g}, {rule})"


@frozen
class Check:
    """A function of yours: ``async def function(look) -> Verdict | bool``.

    Attributes:
        call: Where it is: ``"module:name"``, importable by every controller; ``local:…`` for one
            that only this process has, see `immutable.gates.check`.
        interval: Seconds between two calls.
        timeout: Seconds that one call may take.
        reactions: What to do about a verdict.
    """

    call: str
    interval: float = 15.0
    timeout: float = 10.0
    reactions: Reactions = Reactions()

    def __attrs_post_init__(self) -> None:
        module, _, name = self.call.partition(":")
        if not module or not name:
            raise InvalidValue("call", self.call, "no module:name", 'write it like "checks:smoke"')

    def __str__(self) -> str:
        where = " (not resumable elsewhere)" if self.call.startswith("local:") else ""
        return f"check {self.call}{where}"


Gate = Health | Approval | Analysis | Check
"""Something that watches a rollout."""
