"""A plan's strategy, as it would be written in code and no longer than that."""

from __future__ import annotations

import pytest
from attrs import Factory, field, frozen

from immutable import BlueGreen, Canary, Rolling
from immutable.gates import Approval, Check, Health, Reaction, Reactions
from immutable.planning.spelling import spelled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Rolling(), "Rolling()"),
        (Rolling(probe=False), "Rolling(probe=False)"),
        (BlueGreen(keep_stable=100), "BlueGreen(keep_stable=100.0)"),
        (BlueGreen(preview=()), "BlueGreen(preview=())"),
        (Canary(("5%", "25%", "100%"), bake=300), "Canary()"),
        (
            Canary("10%", gates=(Health(ready="50%"), Approval("ada"))),
            "Canary(stages=('10%',), gates=(Health(ready='50%'), Approval(who='ada')))",
        ),
        (
            BlueGreen(gates=(Check("a:b", reactions=Reactions(error="freeze")),)),
            "BlueGreen(gates=(Check(call='a:b', reactions=Reactions(error=Reaction.FREEZE)),))",
        ),
    ],
)
def test_what_is_at_its_default_goes_without_saying(value, text):
    assert spelled(value) == text
    names = {each.__name__: each for each in (Rolling, BlueGreen, Canary, Health, Approval, Check)}
    assert eval(text, {**names, "Reactions": Reactions, "Reaction": Reaction}) == value


def test_defaults_are_compared_as_they_are_converted_and_made():
    @frozen
    class Own:
        needed: int
        _hidden: float = field(default="2", converter=float)
        made: tuple[int, ...] = Factory(tuple)
        of_self: int = field(default=Factory(lambda self: self.needed, takes_self=True))
        computed: int = field(init=False, default=7)

    assert spelled(Own(1)) == "Own(needed=1, of_self=1)"
    assert spelled(Own(1, hidden=3, made=(1,))) == "Own(needed=1, hidden=3.0, made=(1,), of_self=1)"


def test_a_strategy_that_is_no_attrs_class_says_itself_what_it_is():
    class Bespoke:
        def __repr__(self):
            return "Bespoke(7)"

    assert spelled(Bespoke()) == "Bespoke(7)"
