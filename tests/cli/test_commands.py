"""The command as its users type it: what it prints, what it says when they are wrong, how it ends.

It runs against a simulated cloud that lives as long as the test, in real but short time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from immutable import BlueGreen, Fleet, load_plan, open_journal
from immutable.backend import Group, Hold, Origin, SystemClock
from immutable.cli.commands import cli
from immutable.journal import Entry
from immutable.memory import Behaviour, fixed
from tests.support.world import revision


def lines(text: str) -> list:
    return [json.loads(line) for line in text.splitlines()]


def test_a_fleet_from_its_making_to_its_end(run):
    made = run("fleet", "create", "sim://web", "v1", "--size", 3)
    assert "r1" in made.stdout
    assert run("fleet", "list", "sim").stdout == "sim://web\n"
    assert run("fleet", "list", "sim://?a=1").stdout == "sim://web?a=1\n"
    status = run("fleet", "status", "sim://web")
    assert status.stdout.count("ready") >= 3
    assert "simulated" in status.stdout
    replaced = run("replace", "sim://web", "v2", "--reason", "because")
    assert "point of no return" in replaced.output
    assert "succeeded in" in replaced.output
    assert "sim://web has 5 instances" in run("fleet", "scale", "sim://web", 5).stdout
    back = run("rollback", "sim://web")
    assert "succeeded in" in back.output
    history = run("history", "sim://web").stdout
    for part in ("because", "rollback", "ada", "created", "r2", "r3"):
        assert part in history
    assert "is deleted" in run("fleet", "delete", "sim://web", "--yes").stdout
    assert run("fleet", "list", "sim").stdout == "no fleets\n"


def test_a_group_that_was_there_is_adopted(run, cloud):
    group = Group(revision(), 0, origin=Origin.ADOPTED)
    cloud.settled_fleet("web", group, 2)
    told = json.loads(run("fleet", "adopt", "sim://web", "--json").stdout)
    assert told["size"] == 2
    assert not cloud.fleets["web"].groups[1].deletable
    assert "r1" in run("fleet", "adopt", "sim://web", "--on-replace", "delete").stdout
    assert cloud.fleets["web"].groups[1].deletable
    assert "no fleet" in run("fleet", "adopt", "sim://else", code=1).stderr


def test_everything_as_json(run, cloud):
    state = json.loads(run("fleet", "create", "sim://web", "v1", "--size", 2, "--json").stdout)
    assert (state["size"], state["states"]) == (2, {"ready": 2})
    assert json.loads(run("fleet", "list", "sim", "--json").stdout) == ["sim://web"]
    plan = json.loads(run("plan", "sim://web", "v2", "--json").stdout)
    assert plan["digest"].startswith("sha256:")
    *events, result = lines(run("replace", "sim://web", "v2", "--json").stdout)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["words"] for event in events)
    assert (result["status"], result["wanted"], result["left"]) == ("succeeded", 2, [])
    status = json.loads(run("fleet", "status", "sim://web", "--json").stdout)
    assert status["notes"] == ["simulated"]
    assert json.loads(run("fleet", "scale", "sim://web", 1, "--json").stdout)["wanted"] == 1
    history = json.loads(run("history", "sim://web", "--json").stdout)
    assert [entry["status"] for entry in history] == ["succeeded"] * 3
    images = json.loads(run("image", "list", "--backend", "sim", "--json").stdout)
    assert images[0]["artifact"] == "v1"


def test_a_plan_is_read_approved_and_carried_out_from_its_file(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    file = tmp_path / "plan.json"
    shown = run("plan", "sim://web", "v2", "--max-surge", "100%", "--no-probe", "--out", file)
    for part in ("Rolling(probe=False)", "at most 4 existing", "digest", f"apply {file}"):
        assert part in shown.stdout
    assert load_plan(file.read_text()).limits.max_surge == "100%"
    assert not load_plan(file.read_text()).limits.hedge
    assert "may have duplicates" in run("plan", "sim://web", "v2", "--hedge").stdout
    assert "may have duplicates" not in run("plan", "sim://web", "v2", "--no-hedge").stdout
    assert "succeeded" in run("apply", file).output
    stale = run("apply", file, code=5)
    assert "the plan is stale" in stale.stderr
    file.write_text(file.read_text().replace("100%", "99%"))
    assert "digest" in run("apply", file, code=2).stderr


def test_a_bad_image_ends_with_its_own_exit_code(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    cloud.behaviours["bad"] = Behaviour(ready=False)
    back = run("replace", "sim://web", "bad", "--boot-timeout", "50ms", code=3)
    assert "rolled back: 3 candidate instances failed" in back.stderr
    assert "going back" in back.output


def test_a_change_of_configuration_needs_no_image(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1, "--env", "A=1", "--set", "type=small")
    run("replace", "sim://web", "--env", "B=2")
    (group,) = (each.shown for each in cloud.fleets["web"].groups.values())
    assert dict(group.revision.config.environment) == {"A": "1", "B": "2"}
    assert dict(group.revision.template) == {"type": "small"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["fleet", "status", "sim://no"], 1, "no fleet at sim://no; visible there: none"),
        (["fleet", "status", "nowhere://x"], 1, "pip install immutable-nowhere"),
        (["fleet", "status", "web"], 2, "write backend://location/name"),
        (["replace", "sim://web"], 1, "no fleet at sim://web"),
        (["plan", "sim://web", "v2", "--max-surge", "x%"], 2, "not a percentage"),
        (["plan", "sim://web", "v2", "--min-ready", "soon"], 2, "not a duration"),
        (["plan", "sim://web", "v2", "--max-surge", "0"], 1, "no fleet"),
        (["apply", "no.json"], 2, "does not exist"),
        (["fleet", "create", "sim://web", "v1"], 2, "--size"),
        (["fleet", "create", "sim://x", "v1", "--size", "1", "--env", "A"], 2, "write NAME=VALUE"),
        (["image", "list", "--backend", "memory"], 2, "does not keep images"),
        (["image", "build", "x", "--backend", "sim"], 2, "it makes images for local:// only"),
        (["image", "build", "x", "--builder", "kiln"], 1, "no builder kiln is installed (there"),
        (["image", "build", "x", "--set", "A"], 2, "write NAME=VALUE"),
        (["image", "build", "/nowhere/x"], 1, "immutable.toml"),
        (["recover", "sim://web"], 1, "no fleet"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(run, words, code, message):
    assert message in run(*words, code=code).stderr


def test_limits_that_make_no_sense_together_are_wrong_usage(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    wrong = run("plan", "sim://web", "v2", "--max-surge", 0, code=2)
    assert "nothing could move" in wrong.stderr


def test_deleting_asks_first(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    result = CliRunner().invoke(cli, ["fleet", "delete", "sim://web"], input="n\n")
    assert result.exit_code == 1
    assert "Delete sim://web with its 1 instances?" in result.output
    assert "web" in cloud.fleets


def test_recovering_when_nothing_is_to_recover_says_so(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert "no unfinished rollout" in run("recover", "sim://web", code=1).stderr


@pytest.mark.parametrize(
    ("ways", "code", "image"),
    [(["--plan", "p.json"], 0, "v2"), (["--to-stable", "--boot-timeout", "1m"], 0, "v1")],
)
def test_a_rollout_whose_journal_is_lost_is_offered_both_ways_on(
    run, cloud, tmp_path, monkeypatch, ways, code, image
):
    monkeypatch.chdir(tmp_path)
    cloud.laws = evolve(cloud.laws, boot=fixed(0.15))
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    run("plan", "sim://web", "v2", "--out", "p.json")

    async def begin_and_stop():
        plan = load_plan((tmp_path / "p.json").read_text())
        journal = tmp_path / "lost.db"
        async with Fleet.connect("sim://web", journal=journal, actor="ada") as fleet:
            rollout = fleet.apply(plan)
            running = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(0.25)
            running.cancel()
            await rollout.stop()

    asyncio.run(begin_and_stop())
    offered = run("recover", "sim://web", code=5).stderr
    assert "immutable recover sim://web --plan FILE" in offered
    assert "immutable recover sim://web --to-stable" in offered
    run("recover", "sim://web", *ways, code=code)
    groups = [group.shown for group in cloud.fleets["web"].groups.values()]
    assert [(group.revision.image.artifact, group.size) for group in groups] == [(image, 3)]
    assert groups[0].hold is None


def test_a_second_rollout_is_refused_with_the_first_ones_name(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 1)

    async def occupy():
        journal = await open_journal()
        plan = load_plan((tmp_path / "p.json").read_text())
        now = SystemClock().now()
        entry = Entry("the-first", "sim://web", plan, "a", "", now, "running", "me", 1, now + 99)
        await journal.begin(entry, [])
        await journal.close()

    run("plan", "sim://web", "v2", "--out", tmp_path / "p.json")
    asyncio.run(occupy())
    busy = run("replace", "sim://web", "v2", code=5)
    assert "the-first" in busy.stderr


def test_every_command_and_option_says_in_a_line_what_it_does():
    def check(command, path):
        assert command.get_short_help_str(), path
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{path} {parameter.name}"
        for name, each in getattr(command, "commands", {}).items():
            check(each, f"{path} {name}")

    check(cli, "immutable")


SLOW_CLOUD = """
import asyncio, sys
from immutable.backend import Capabilities, SystemClock
from immutable.cli import main
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.backend import Group
from immutable.registry import register
from tests.support.world import revision

class Slow(MemoryBackend):
    cloud = Cloud(SystemClock(), laws=Laws(boot=fixed(60)))
    @classmethod
    def from_url(cls, url, *, clock):
        cls.cloud.settled_fleet("web", Group(revision(), 0), 2)
        return cls(cls.cloud)

register("slow", Slow)
main()
"""


def test_ctrl_c_stops_at_a_safe_point_and_says_how_to_carry_on(tmp_path):
    environment = {**os.environ, "IMMUTABLE_JOURNAL": str(tmp_path / "journal.db")}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_CLOUD, "replace", "slow://web", "v2"],
        cwd=Path(__file__).parents[2], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "grow" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=45)
    assert process.returncode == 130
    assert "stopped at a safe point" in errors
    assert "immutable recover slow://web" in errors


def test_the_command_runs_as_a_program():
    shown = subprocess.run(
        [sys.executable, "-c", "from immutable.cli import main; main()", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.startswith("immutable, version ")


def test_without_the_extra_it_names_what_to_install():
    code = "import sys; sys.modules['click'] = None\nfrom immutable.cli import main; main()"
    code = code.replace("sys.modules['click'] = None", "sys.path = [p for p in sys.path]")
    hidden = (
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('click', 'rich') else find(name, *a)\n"
    )
    failed = subprocess.run(
        [sys.executable, "-c", hidden + code], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert "click and rich missing" in failed.stderr
    assert "pip install 'immutable-sdk[cli]'" in failed.stderr


def test_revision_numbers_are_shown_as_they_are_used(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert cloud.fleets["web"].groups[1].shown.revision.number == revision().number


def test_sweep_says_what_it_restores_and_what_it_leaves(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert "nothing is left to undo" in run("sweep", "sim://web").stdout
    fleet = cloud.fleets["web"]
    hold = Hold("lost", 1, SystemClock().now() + 60, size=1, minimum=0)
    fleet.groups[1].shown = evolve(fleet.groups[1].shown, hold=hold)
    assert "left, for this journal doesn't know" in run("sweep", "sim://web").stdout
    fleet.groups[1].shown = evolve(
        fleet.groups[1].shown, hold=evolve(hold, until=SystemClock().now() - 5)
    )
    assert "would be: r1" in run("sweep", "sim://web", "--dry-run").stdout
    (found,) = json.loads(run("sweep", "sim://web", "--json").stdout)["sim://web"]
    assert (found["action"], found["sweep"]) == ({"type": "release", "revision": 1}, True)
    assert fleet.groups[1].shown.hold is None


def test_sweep_looks_at_a_place_or_at_what_the_journal_knows_and_at_all_of_it(run, cloud):
    assert run("sweep").stdout == "no fleets\n"
    for name in ("web", "api"):
        run("fleet", "create", f"sim://{name}", "v1", "--size", 1)
    for places in ((), ("sim://*",), ("sim://api", "sim://*")):
        told = json.loads(run("sweep", *places, "--json").stdout)
        assert told == {"sim://api": [], "sim://web": []}
    del cloud.fleets["api"]
    assert json.loads(run("sweep", "--json").stdout) == {"sim://web": []}
    failed = run("sweep", "sim://api", "sim://web", code=1)
    assert "no fleet at sim://api" in failed.stderr
    assert failed.stdout == "sim://web: nothing is left to undo\n"


def test_past_the_point_of_no_return_recover_names_the_way_back(lab):
    lab.begin(BlueGreen(bake=10, keep_stable=10_000), after=200).kill()
    refused = lab.run("recover", "sim://web", "--to-stable", code=5)
    assert "past its point of no return" in refused.stderr
    assert "immutable rollback sim://web" in refused.stderr


def test_a_submitted_plan_waits_for_a_controller_and_one_carries_it_out(
    run, cloud, tmp_path, controlled
):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    run("plan", "sim://web", "v2", "--out", tmp_path / "p.json")
    told = run("apply", tmp_path / "p.json", "--submit", "--reason", "later").stdout
    assert "immutable watch sim://web" in told
    assert json.loads(run("history", "sim://web", "--json").stdout)[-1]["status"] == "pending"
    assert "sim://web" in run("replace", "sim://web", "v3", code=5).stderr
    run("controller", "--lease", "0.5", code=2)

    async def ended(journal):
        return not await journal.entries(unfinished=True)

    controlled(ended)
    assert json.loads(run("history", "sim://web", "--json").stdout)[-1]["status"] == "succeeded"


@pytest.mark.parametrize(
    "rate", ["fast", "10", "10,0", "0.5,1", "10,1,2", "nan,1", "10,inf", "-3,1"]
)
def test_a_rate_that_makes_no_sense_is_named_with_how_to_write_one(run, rate):
    said = " ".join(run("controller", f"--launches={rate}", code=2).stderr.split())
    assert f"{rate!r} is no rate" in said
    assert "1000,2" in said


@pytest.mark.parametrize("surge", ["0", "-1", "25%"])
def test_a_cap_that_makes_no_sense_is_named(run, surge):
    said = " ".join(run("controller", f"--surge={surge}", code=2).stderr.split())
    assert "--surge" in said
    assert surge in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_controller_that_is_told_to_stop_ends_well(tmp_path, how):
    process = subprocess.Popen(
        [sys.executable, "-c", "from immutable.cli import main; main()", "controller",
         "--journal", str(tmp_path / "journal.db")],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "looks for work" in process.stderr.readline()
    process.send_signal(how)
    assert process.communicate(timeout=45) == (None, "")
    assert process.returncode == 0
