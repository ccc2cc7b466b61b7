"""What a plan changes, where its steps lead, what limits on calls cost it: told by the plan."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import BlueGreen, Canary, Image, Limits, Revision, Rolling, RuntimeConfig
from immutable.backend import Capabilities, FleetState, Group, Rate
from immutable.planning.compile import replacement, resizing
from immutable.planning.previewing import changes, rates, steps_ahead
from immutable.preview import ChangeKind

ABLE = Capabilities(weighted_traffic=True)
WIDE = Limits("100%")
OLD = Revision(
    1,
    Image("v1", name="web", version="1.4.1", commit="aaaa"),
    RuntimeConfig({"LEVEL": "hunter2", "GOES": "", "STAYS": "x"}, {"DB": "vault://kv/web"}),
    {"type": "small"},
)


def state(size: int, weight: float | None = None) -> FleetState:
    group = evolve(Group(OLD, size), weight=weight)
    return FleetState("web", 0.0, (group,), last_revision=1)


def planned(strategy, size=12, image="v2", able=ABLE, limits=WIDE):
    weight = 100.0 if isinstance(strategy, Canary | BlueGreen) else None
    return replacement("sim://web", state(size, weight), Image(image), None, strategy, limits, able)


def test_all_that_differs_is_told_and_what_a_setting_is_is_not():
    new = Revision(
        2,
        Image("v2", name="web", version="1.4.2"),
        RuntimeConfig({"LEVEL": "b", "STAYS": "x", "NEW": ""}, {"DB": "vault://kv/other"}),
        {"type": "large", "zone": "a"},
    )
    found = changes(OLD, new)
    assert [str(each) for each in found] == [
        "image is v2, was v1",
        "version is 1.4.2, was 1.4.1",
        "commit goes, was aaaa",
        "setting GOES goes",
        "setting LEVEL changes",
        "setting NEW is new",
        "secret DB is vault://kv/other, was vault://kv/web",
        "template type changes",
        "template zone is new",
    ]
    assert "hunter2" not in repr(found)
    assert changes(OLD, OLD) == ()


@given(
    st.dictionaries(st.sampled_from("ABCD"), st.sampled_from(["", "x", "y"])),
    st.dictionaries(st.sampled_from("ABCD"), st.sampled_from(["", "x", "y"])),
)
def test_what_is_added_on_the_way_there_is_removed_on_the_way_back(one, other):
    def between(old, new):
        a, b = (evolve(OLD, config=RuntimeConfig(each)) for each in (old, new))
        return {each.name: each.kind for each in changes(a, b)}

    swapped = {ChangeKind.ADDED: ChangeKind.REMOVED, ChangeKind.REMOVED: ChangeKind.ADDED}
    back = between(other, one)
    assert between(one, other) == {name: swapped.get(kind, kind) for name, kind in back.items()}


def test_steps_of_a_rolling_replacement_lead_from_one_revision_to_the_other():
    assert [(each.stable, each.candidate) for each in steps_ahead(planned(Rolling()))] == [
        (0, 12),
        (0, 12),
    ]


def test_steps_of_a_canary_tell_traffic_waits_and_gates():
    plan = planned(Canary(stages=("25%", "100%"), bake=60, keep_stable=600))
    ahead = steps_ahead(plan)
    assert [each.words for each in ahead] == [str(step) for step in plan.steps]
    bakes = [each for each in ahead if each.seconds == 60]
    assert [(each.stable, each.candidate, each.traffic) for each in bakes] == [
        (12, 3, 25),
        (12, 12, 100),
    ]
    assert all(each.gates for each in bakes)
    assert (ahead[-1].stable, ahead[-1].candidate, ahead[-1].seconds) == (0, 12, 600)


def test_limits_on_launches_are_told_with_what_they_cost():
    able = evolve(ABLE, launches=Rate(10, 0.5), terminations=Rate(1000, 10))
    plan = planned(Rolling(), able=able)
    launches, terminations = rates(plan, able)
    assert launches == (
        "12 launches: 8 at once, then 0.5 a second, and 2 are kept for ways back;"
        " 4 wait, at least 8 s"
    )
    assert terminations == "12 terminations: 1,000 at once, then 10 a second; none has to wait"
    assert plan.bounds.api == 8
    # A bucket of one keeps none, or it would give none.
    least = evolve(ABLE, launches=Rate(1, 0.5))
    assert planned(Rolling(), able=least).bounds.api == 22
    assert rates(plan, least)[0].startswith("12 launches: 1 at once, then 0.5 a second; 11 wait")
    assert rates(planned(Rolling()), ABLE) == ()
    assert rates(resizing("sim://web", state(3), 5, WIDE, able), able) == ()
