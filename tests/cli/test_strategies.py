"""Strategies from the command line, and what is said while one is carried out."""

from __future__ import annotations

import asyncio
import io
import json
import re
from itertools import pairwise

import pytest
from attrs import evolve
from rich.console import Console

from immutable import BlueGreen, Canary, Status
from immutable.cli.picture import Picture
from immutable.cli.rollouts import watch
from immutable.cli.running import Interrupted
from immutable.gates import Approval, Health, Verdict
from immutable.memory import Behaviour
from immutable.model.records import Judged, Order, Ordered
from immutable.report.story import Story
from tests.cli.conftest import SimBackend

URL = "sim://web"
CHECK = "tests.support.checks:always"
CANARY = ["--strategy", "canary"]
BLUE_GREEN = ["--strategy", "blue-green"]
NOTHING = {"weighted_traffic": False, "traffic_stats": False}


def strategy(lab, *words) -> str:
    return json.loads(lab.run("plan", URL, "v2", *words, "--json").stdout)["plan"]["strategy"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Rolling()"),
        (["--no-probe"], "Rolling(probe=False)"),
        (BLUE_GREEN, "BlueGreen()"),
        ([*BLUE_GREEN, "--keep-stable", "1h", "--bake", "90"],
         "BlueGreen(keep_stable=3600.0, bake=90.0)"),
        ([*BLUE_GREEN, "--check", CHECK, "--approval", "ada"],
         (f"BlueGreen(preview=(Health(), Check(call='{CHECK}'), Approval(who='ada')),"
          f" gates=(Health(), Check(call='{CHECK}')))")),
        (CANARY, "Canary()"),
        ([*CANARY, "--stages", "10%, 50%", "--keep-stable", "1m"],
         "Canary(stages=('10%', '50%'), keep_stable=60.0)"),
        ([*CANARY, "--no-analysis"], "Canary(gates=(Health(),))"),
        ([*CANARY, "--check", CHECK, "--check", "tests.support.checks:unsure", "--approval"],
         (f"Canary(gates=(Health(), Analysis(), Check(call='{CHECK}'),"
          " Check(call='tests.support.checks:unsure'), Approval()))")),
    ],
)  # fmt: skip
def test_options_choose_a_strategy(lab, words, text):
    assert strategy(lab, *words) == text


def test_where_nothing_is_counted_a_canary_with_checks_has_no_analysis(lab, monkeypatch):
    monkeypatch.setattr(SimBackend, "capabilities", evolve(SimBackend.capabilities, **NOTHING))
    said = strategy(lab, *CANARY, "--check", CHECK)
    assert said == f"Canary(gates=(Health(), Check(call='{CHECK}')))"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stages", "5%"], "--stages belongs to --strategy canary, not to rolling"),
        (["--bake", "5m"], "--bake belongs to --strategy blue-green or canary, not to rolling"),
        (["--keep-stable", "0"], "--keep-stable belongs to --strategy blue-green or canary"),
        (["--approval"], "--approval belongs to --strategy blue-green or canary"),
        (["--check", CHECK], "--check belongs to --strategy blue-green or canary"),
        (["--no-analysis"], "--no-analysis belongs to --strategy canary"),
        ([*BLUE_GREEN, "--stages", "5%"], "--strategy canary, not to blue-green"),
        ([*BLUE_GREEN, "--no-analysis"], "--strategy canary, not to blue-green"),
        ([*BLUE_GREEN, "--no-probe"], "--no-probe belongs to --strategy rolling"),
        ([*CANARY, "--probe"], "belongs to --strategy rolling, not to canary"),
        (["--strategy", "big-bang"], "'big-bang' is not one of"),
        ([*CANARY, "--stages", "50%,25%"], "shares rise"),
        ([*CANARY, "--stages", "a lot"], "not a percentage"),
        ([*CANARY, "--check", "smoke"], "no module:name"),
        ([*CANARY, "--check", "nowhere:smoke"], "can't be imported: No module named 'nowhere'"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "replace"])
def test_options_that_do_not_fit_are_wrong_usage(lab, command, words, message):
    assert message in lab.run(command, URL, "v2", *words, code=2).stderr
    assert lab.sizes == {1: 4}


def test_plan_has_no_supersede(lab):
    assert "No such option" in lab.run("plan", URL, "v2", "--supersede", code=2).stderr


def test_limits_leave_room_for_the_second_fleet_unless_max_surge_is_given(lab):
    assert "at most 8 existing" in lab.run("plan", URL, "v2", *CANARY, "--min-ready", 9).stdout
    tight = lab.run("plan", URL, "v2", *CANARY, "--max-surge", 1, code=5)
    assert "max_surge allows 1" in tight.stderr


# -- what is said ---------------------------------------------------------------------------------


def test_without_a_terminal_there_is_a_line_for_each_thing_that_is_news(lab):
    said = lab.run("replace", URL, "v2", *CANARY, "--stages", "25%", "--bake", "5m").stdout
    *lines, end = said.splitlines()
    assert end.startswith("succeeded in ")
    assert all(re.match(r"2027-01-15 \d\d:\d\d:\d\d \S", line) for line in lines), said
    assert "\x1b" not in said
    steps = [line[20:] for line in lines if " of 7: " in line]
    assert steps[0].startswith("started with 4 wanted, 4 ready; step 1 of 7: one candidate")
    assert steps[1] == "step 2 of 7: 25 % of the traffic to the candidate"
    assert steps[2].startswith("step 3 of 7: bake 5 min under health (90% READY, 3 looks in a row)")
    assert [line[20:50] for line in lines if "health" in line and "says" in line] == [
        "health (90% READY, 3 looks in "
    ]


def test_a_gates_verdict_is_said_when_it_changes_not_at_each_look(lab):
    done = lab.run("replace", URL, "v2", *CANARY, "--stages", "25%", "--bake", "10m")
    (id_,) = lab.do(ids(lab))
    judged = [each for each in lab.do(records(lab, id_)) if isinstance(each, Judged)]
    said = [line for line in done.stdout.splitlines() if "says" in line]
    changes = [
        each for number in (0, 1) for each in _changes([j for j in judged if j.gate == number])
    ]
    assert len(judged) > 15
    assert len(said) == len(changes) < 6


def _changes(judged):
    return judged[:1] + [b for a, b in pairwise(judged) if a.verdict is not b.verdict]


async def ids(lab):
    async with lab.fleet() as fleet:
        return [entry.rollout for entry in await fleet.history()]


async def records(lab, id_):
    async with lab.fleet() as fleet:
        return [event.record async for event in (await fleet.rollout(id_)).events()]


def test_a_pause_says_why_and_what_to_type(lab):
    lab.cloud.fleets["web"].clients.rate = 0.0
    lab.begin(Canary(("25%",), bake=60), after=1_000)
    told = lab.do(first(lab, "paused"))
    assert "analysis of backend traffic" in told
    assert "no requests" in told
    assert told.endswith("; next: immutable resume|promote|abort sim://web")


async def first(lab, word):
    async with lab.fleet() as fleet:
        rollout = await fleet.rollout()
        story = Story(await rollout.plan())
        async for event in rollout.events():
            if (said := story.hear(event.record)).startswith(word):
                return said
    return ""


def test_an_approval_says_that_it_waits(lab):
    lab.begin(BlueGreen(preview=(Approval("ada"),)), after=1_000)
    said = lab.do(first(lab, "step 2"))
    assert said == (
        "step 2 of 5: bake 0 s under approval by ada; waits for: immutable promote sim://web"
    )


def test_a_bad_canary_says_which_gate_sent_it_back(lab):
    lab.cloud.behaviours["v2"] = Behaviour(errors=0.2)
    bad = lab.run("replace", URL, "v2", *CANARY, code=3)
    assert "says fail: " in bad.stdout
    assert "going back: analysis of backend traffic" in bad.stdout
    assert "rolled back" in bad.stderr
    assert lab.sizes == {1: 4}


def test_keeping_stable_says_how_to_switch_back(lab):
    lab.begin(BlueGreen(bake=0, keep_stable=3_600), after=500)
    said = lab.do(first(lab, "point of no return"))
    assert said.endswith("r1 is kept for 1 h; to switch back to it: immutable rollback sim://web")


def test_status_shows_the_shares_of_the_traffic_when_there_are_some(lab):
    assert "traffic" not in lab.run("fleet", "status", URL).stdout
    lab.begin(Canary(("25%",), bake=1_000), after=200)
    status = lab.run("fleet", "status", URL).stdout
    assert "traffic" in status
    assert re.search(r"r1 .* 75 %", status)
    assert re.search(r"r2 .* 25 %", status)
    document = json.loads(lab.run("fleet", "status", URL, "--json").stdout)
    assert [group["weight"] for group in document["groups"]] == [75, 25]


def picture(lab) -> str:
    async def draw():
        async with lab.fleet() as fleet:
            rollout = await fleet.rollout()
            made = Picture(fleet.address, Story(await rollout.plan()), await fleet.state())
            for event in await fleet._journal.events(rollout.id):
                made.add(event, made.story.hear(event.record))
        return made

    screen = Console(width=200, record=True, file=io.StringIO())
    screen.print(lab.do(draw()))
    return screen.export_text()


def test_the_live_display_shows_bars_shares_step_gates_and_what_to_type(lab):
    lab.begin(Canary(("25%",), bake=1_000), after=200)
    shown = picture(lab)
    for part in (
        "4 ready, 4 existing of 4 75 % of the traffic",
        "1 ready, 1 existing of 4 25 % of the traffic",
        "step 3 of 7: bake 16 min 40 s under health",
        "min ", " to go)",
        "health (90% READY, 3 looks in a row): pass (",
        "analysis of backend traffic (alpha 0.05, 500 requests each): pass (",
        "immutable promote sim://web  (go on without waiting)",
        "immutable abort sim://web  (go back)",
    ):  # fmt: skip
        assert part in shown, shown


def test_the_live_display_says_why_a_rollout_is_paused_and_the_ways_on(lab):
    lab.begin(Canary(("25%",), bake=1_000, gates=(Health(), Approval("ada"))), after=200)
    lab.run("pause", URL, "--reason", "lunch")
    shown = picture(lab)
    assert "paused: pause by ada: lunch" in shown
    assert "immutable resume sim://web  (the bake begins again)" in shown
    assert "approval by ada: waits for promote" in shown
    assert "to go)" not in shown


def test_the_live_display_of_a_rollout_that_moves_keeps_stable_or_goes_back(lab):
    driven = lab.begin(BlueGreen(bake=0, keep_stable=1_000), after=10)
    assert "immutable pause sim://web  (stop where it is)" in picture(lab)
    lab.wait(300)
    assert "immutable rollback sim://web  (switch back to what is kept)" in picture(lab)
    lab.run("promote", URL)
    driven.end()
    assert "succeeded" in picture(lab)
    lab.begin(BlueGreen(bake=1_000), after=200, image="v3")
    lab.run("abort", URL)
    shown = picture(lab)
    assert "going back: abort by ada" in shown
    assert "immutable" not in shown.split("2027")[0].split("going back")[1]


def test_on_a_terminal_the_display_ends_with_the_end(lab):
    shown = lab.run("replace", URL, "v2", terminal=True).stdout
    assert "━" in shown
    assert "4 ready, 4 existing of 4" in shown
    assert "succeeded in" in shown


def test_a_watcher_that_is_stopped_does_not_stop_the_rollout(lab):
    driven = lab.begin(BlueGreen(bake=1_000), after=100)

    async def stopped():
        task = asyncio.ensure_future(watch.callback.__wrapped__(URL, None, None, None, False))
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(Interrupted) as caught:
            await task
        return caught.value.driven

    assert lab.do(stopped()) is False
    assert driven.end().status is Status.SUCCEEDED


# -- superseding ----------------------------------------------------------------------------------


def test_a_rollout_is_superseded_and_both_ends_are_shown(lab):
    driven = lab.begin(BlueGreen(bake=10_000), after=200)
    said = lab.run("replace", URL, "v3", "--supersede").stdout
    assert "is superseded: it ends first" in said
    assert said.index("abort by ada: superseded") < said.index("rolled back")
    assert said.index("rolled back") < said.index("succeeded in")
    assert driven.end().status is Status.ROLLED_BACK
    assert lab.sizes == {3: 4}
    assert [word["status"] for word in history(lab)] == ["rolled_back", "succeeded"]


def history(lab):
    return json.loads(lab.run("history", URL, "--json").stdout)


def test_a_rollout_without_a_controller_is_superseded_too(lab):
    lab.begin(BlueGreen(bake=10_000), after=200).kill()
    *events, end = map(json.loads, lab.run("replace", URL, "v3", "--supersede", "--json")
                       .stdout.splitlines())  # fmt: skip
    assert len({event["rollout"] for event in events}) == 2
    assert end["status"] == "succeeded"
    assert lab.sizes == {3: 4}


def test_superseding_keeps_the_settings_of_what_stays(lab):
    lab.run("replace", URL, "--env", "A=1")
    driven = lab.begin(BlueGreen(bake=10_000), after=200)
    lab.run("replace", URL, "v3", "--env", "B=2", "--supersede")
    driven.end()
    (group,) = (each.shown for each in lab.cloud.fleets["web"].groups.values())
    assert dict(group.revision.config.environment) == {"A": "1", "B": "2"}


def test_superseding_nothing_is_an_ordinary_replacement(lab):
    assert "superseded" not in lab.run("replace", URL, "v2", "--supersede").stdout
    assert lab.sizes == {2: 4}


def test_a_rollout_is_not_superseded_by_an_image_that_does_not_exist(lab):
    driven = lab.begin(BlueGreen(bake=300), after=200)
    lab.cloud.images = {"v1", "v2"}
    assert "no image v3" in lab.run("replace", URL, "v3", "--supersede", code=1).stderr
    assert driven.end().status is Status.SUCCEEDED


def test_a_busy_fleet_says_what_can_be_typed(lab):
    lab.begin(BlueGreen(bake=10_000), after=200)
    busy = lab.run("replace", URL, "v3", code=5).stderr
    for name in ("watch", "abort", "recover"):
        assert f"immutable {name} sim://web" in busy


# -- the story ------------------------------------------------------------------------------------


def test_a_verdict_is_news_again_after_a_resume(lab):
    plan = lab.do(planned(lab))
    story, judged = Story(plan), Judged(0, Verdict.PASS, "4 of 4")
    assert story.hear(judged) == "health (90% READY, 3 looks in a row) says pass: 4 of 4"
    assert story.hear(judged) == ""
    story.hear(Ordered(1, Order.RESUME, "ada"))
    assert story.hear(judged) != ""


async def planned(lab):
    async with lab.fleet() as fleet:
        return await fleet.plan("v2", Canary(("25%",), gates=(Health(),)))
