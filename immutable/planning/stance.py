"""From what the gates say to what a rollout does about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from immutable.model import Gate, Reaction, Verdict

__all__ = ["Opinion", "Stance", "stance"]


@frozen
class Opinion:
    """What a gate says now.

    Attributes:
        gate: Which.
        verdict: What it says.
        detail: Why.
    """

    gate: Gate
    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.gate} says {self.verdict.value}" + (f": {self.detail}" * bool(self.detail))

    def reaction(self, *, over: bool) -> Reaction:
        """Return what to do about it; *over* says whether the time of the bake is."""
        reactions = self.gate.reactions
        match self.verdict:
            case Verdict.FAIL:
                return reactions.fail
            case Verdict.ERROR:
                return reactions.error
            case Verdict.INCONCLUSIVE if over:
                return reactions.inconclusive
        return Reaction.CONTINUE


@frozen
class Stance:
    """What the gates make a rollout do; each is empty when it does not apply.

    Attributes:
        turn: Why it goes back.
        pause: Why it waits for somebody.
        freeze: Why it waits for a gate.
    """

    turn: str = ""
    pause: str = ""
    freeze: str = ""

    @property
    def free(self) -> bool:
        """Whether it may go on."""
        return not (self.turn or self.pause or self.freeze)


# Health says FAIL: back, at any time. An analysis is INCONCLUSIVE in the middle of a bake: nothing;
# at its end: pause. Somebody promoted: what isn't known is no reason to wait, a failure is.
def stance(opinions: Iterable[Opinion], *, over: bool, promoted: bool) -> Stance:
    """Return what to do about the gates' opinions.

    Args:
        opinions: What each gate that watches says.
        over: Whether the time of a bake is over, so that what isn't known now must be decided.
        promoted: Whether somebody said to go on.
    """
    found: dict[Reaction, str] = {}
    for opinion in opinions:
        if promoted and opinion.verdict is not Verdict.FAIL:
            continue
        reaction = opinion.reaction(over=over)
        if reaction is not Reaction.CONTINUE and reaction not in found:
            found[reaction] = str(opinion)
    return Stance(
        turn=found.get(Reaction.ROLLBACK, ""),
        pause=found.get(Reaction.PAUSE, ""),
        freeze=found.get(Reaction.FREEZE, ""),
    )
