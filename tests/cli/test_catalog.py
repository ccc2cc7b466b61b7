"""The catalog and its channels as they are typed."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from immutable.backend import Denied
from immutable.memory import MemoryBackend
from immutable.registry import register
from tests.support.admitting import image
from tests.support.images import BASE, manifest, spec

pytest.importorskip("securesystemslib")
from immutable.trust import provenance
from tests.support.signing import enveloped, pair


def of(version: str, **more: object):
    return manifest(spec=spec(version=version, **more))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for version in "123":
        (tmp_path / f"web-{version}.json").write_bytes(of(version).dump())
    return tmp_path


@pytest.fixture
def filled(run, place):
    for version in "123":
        run("image", "add", f"web-{version}.json")
    return place


def test_an_image_is_added_and_shown_with_all_that_is_known_of_it(run, place):
    added = json.loads(run("image", "add", "web-1.json", "--json").stdout)
    assert (added["name"], added["version"], added["digest"]) == ("web", "1", of("1").digest)
    assert added["lineage"] == [BASE]
    shown = json.loads(run("image", "show", "web:1", "--json").stdout)
    assert shown["manifest"].encode() == of("1").dump()
    assert "aws://eu-west-1/ami-0abc123" in run("image", "show", of("1").digest).stdout
    assert "not in the catalog" in run("image", "show", "web:9", code=2).stderr
    run("image", "add", "web-1.json")
    assert len(json.loads(run("image", "versions", "web", "--json").stdout)) == 1
    assert json.loads(run("image", "versions", "db", "--json").stdout) == []


def test_a_name_and_version_are_given_once(run, filled):
    changed = evolve(of("1"), sbom="sha256:" + "e" * 64)
    (filled / "other.json").write_bytes(changed.dump())
    assert "give it another version" in run("image", "add", "other.json", code=5).stderr


def test_what_is_not_signed_as_trust_wants_it_is_not_added(run, place):
    policy = f"threshold = 1\n[[keys]]\nid = 'ada'\npublic = '''{pair('ada')[1]}'''\n"
    (place / "trust.toml").write_text(policy)
    place.joinpath("web-1.json.intoto.jsonl").write_text(
        enveloped(provenance(of("1")), "eve").dump() + "\n"
    )
    run("image", "add", "web-1.json", "--trust", "trust.toml", code=5)
    assert json.loads(run("image", "versions", "--json").stdout) == []
    place.joinpath("web-1.json.intoto.jsonl").write_text(
        enveloped(provenance(of("1")), "ada").dump() + "\n"
    )
    run("image", "add", "web-1.json", "--trust", "trust.toml")
    place.joinpath("web-2.json.intoto.jsonl").write_text("no envelope")
    run("image", "add", "web-2.json", code=5)


def test_channels_are_assigned_and_go_back_and_the_history_stays(run, filled):
    for version in ("web:1", "web:2"):
        run("channel", "assign", "web@production", version, "--reason", "go")
    back = json.loads(run("channel", "rollback", "web@production", "--json").stdout)
    assert (back["image"], back["back"], back["actor"]) == ("web:1", True, "ada")
    history = json.loads(run("channel", "history", "web@production", "--json").stdout)
    assert [(each["number"], each["image"]) for each in history] == [
        (1, "web:1"), (2, "web:2"), (3, "web:1"),
    ]  # fmt: skip
    run("channel", "assign", "web@staging", "web@production")
    assert "web@staging" in run("channel", "list").stdout
    listed = json.loads(run("channel", "list", "--json").stdout)
    assert {each["channel"]: each["image"] for each in listed} == {
        "web@production": "web:1", "web@staging": "web:1",
    }  # fmt: skip
    assert "web:1 (back)" in run("channel", "history", "web@production").stdout
    assert "nothing before" in run("channel", "rollback", "web@production", code=5).stderr
    assert "no such channel" in run("channel", "history", "web@nowhere", code=2).stderr
    assert "another image" in run("channel", "assign", "db@live", "web:1", code=5).stderr


def test_a_revocation_says_whom_it_holds_for_and_is_refused_while_a_channel_has_it(run, filled):
    run("channel", "assign", "web@production", "web:2")
    words = ("image", "revoke", BASE, "--reason", "CVE-2026-1")
    assert "web@production" in run(*words, code=5).stderr
    revoked = json.loads(run(*words, "--force", "--json").stdout)
    assert revoked["affected"] == ["web:1", "web:2", "web:3"]
    assert revoked["channels"] == ["web@production"]
    shown = json.loads(run("image", "show", "web:3", "--json").stdout)
    assert (shown["revoked"]["digest"], shown["revoked"]["reason"]) == (BASE, "CVE-2026-1")
    assert "revoked: CVE-2026-1" in run("image", "versions").stdout
    assert "is revoked" in run("channel", "assign", "web@staging", "web:3", code=5).stderr
    assert "not revoked itself" in run("image", "restore", "web:3", "--reason", "x", code=5).stderr
    run("image", "restore", BASE, "--reason", "false alarm")
    run("channel", "assign", "web@staging", "web:3")


def test_a_revocation_can_be_said_beforehand(run, filled):
    words = ("image", "revoke", "web:1", "--reason", "end of life", "--at")
    run(*words, "2100-01-01T00:00:00Z")
    shown = json.loads(run("image", "show", "web:1", "--json").stdout)
    assert (shown["revoked"], shown["revoke_at"]["at"]) == (None, 4102444800.0)
    assert "revoked from 2100-01-01" in run("image", "versions").stdout
    assert "no time in UTC" in run(*words, "tomorrow", code=2).stderr
    assert "in the past" in run(*words, "2001-01-01T00:00:00Z", code=2).stderr


def test_every_change_is_on_record_and_the_record_holds(run, filled):
    run("channel", "assign", "web@production", "web:2", "--reason", "go")
    run("image", "revoke", "web:1", "--reason", "old")
    run("audit", "verify")
    exported = run("audit", "export").stdout
    assert "channel_assigned" in exported
    assert "version_added" in exported


@pytest.fixture
def served(run, filled, tmp_path):
    """Fleets of web:1 and web:3, by what they became on the simulated cloud."""
    for number in "456":
        made = image(number, "sim", base=image("4", "sim", base="").digest if number == "5" else "")
        (tmp_path / f"sim-{number}.json").write_bytes(made.dump())
        run("image", "add", f"sim-{number}.json")
    run("fleet", "create", "sim://web", "web-5", "--size", "2")
    run("fleet", "create", "sim://new", "web-6", "--size", "1")


def test_revoking_tells_who_runs_it_and_makes_plans_to_get_off_it(run, served):
    shown = run("image", "exposure", "web:4").stdout
    assert "sim://web r1 runs 2 instances of web:5" in shown
    assert "sim://new" not in shown
    said = run("image", "revoke", "web:4", "--reason", "CVE-1", "--plans", "ways").stdout
    (line,) = (each for each in said.splitlines() if "immutable apply" in each)
    assert line.startswith("sim://web to web-6: immutable apply ways/001-sim---web.plan")
    run("apply", "ways/001-sim---web.plan")
    assert "no fleet that this journal knows runs it" in run("image", "exposure", "web:4").stdout
    told = json.loads(run("image", "exposure", "web:6", "--json").stdout)
    assert {each["fleet"]: len(each["instances"]) for each in told["exposed"]} == {
        "sim://web": 2, "sim://new": 1,
    }  # fmt: skip


def test_a_fleet_without_a_way_out_or_out_of_sight_is_no_success(run, served):
    run("image", "revoke", "web:6", "--reason", "CVE-2")
    failed = run("image", "revoke", "web:4", "--reason", "CVE-1", "--plans", "ways", code=4)
    assert "there is no version that is not revoked" in failed.stdout
    assert "about sim://web" in failed.stderr
    register("sim", Shut)
    failed = run("image", "exposure", "web:4", code=4)
    assert "sim://new can't be looked at: no way in" in failed.stdout


class Shut(MemoryBackend):
    @classmethod
    def from_url(cls, url, *, clock):
        raise Denied("no way in")


def test_images_that_nobody_needs_are_retired_and_restored(run, served):
    would = run("image", "retire", "--older", "0", "--newest", "0", "--dry-run").stdout
    assert [line.split()[0] for line in would.splitlines()] == ["web:1", "web:2", "web:3", "web:4"]
    assert run("image", "retire", "--older", "30d").stdout == ""
    run("channel", "assign", "web@production", "web:2")
    gone = json.loads(
        run("image", "retire", "web", "--older", "0", "--newest", "0", "--json").stdout
    )
    assert [each["image"] for each in gone] == ["web:1", "web:3", "web:4"]
    assert "web:4 is retired" in run("plan", "sim://web", "web-4", code=5).stderr
    run("image", "restore", "web:4", "--reason", "needed")
    run("plan", "sim://web", "web-4")


def test_a_fleet_follows_a_channel_and_is_offered_plans(run, served, controlled):
    run("channel", "assign", "web@production", "web:5")
    canary = ("--strategy", "canary", "--stages", "50%,100%", "--bake", "1s", "--no-analysis")
    said = run("follow", "set", "sim://web", "web@production", *canary).stdout
    assert "sim://web follows web@production: is offered plans by Canary" in said
    assert "no plan is offered" in run("follow", "offers").stderr
    run("channel", "assign", "web@production", "web:6")
    controlled(offered)
    (offer,) = json.loads(run("follow", "offers", "--out", "ways", "--json").stdout)
    assert (offer["fleet"], offer["to"]) == ("sim://web", "web-6")
    run("apply", offer["file"])
    run("follow", "stop", "sim://web")
    assert "no fleet follows a channel" in run("follow", "list").stderr
    assert "no plan is offered" in run("follow", "offers").stderr
    assert "follows nothing" in run("follow", "stop", "sim://web", code=5).stderr


def test_a_fleet_follows_by_itself_within_its_window(run, served, controlled):
    run("channel", "assign", "web@production", "web:5")
    always = ("--window", "mon,tue,wed,thu,fri,sat,sun", "--at-most", "2")
    run("follow", "set", "sim://web", "web@production", "--apply", *always)
    assert (
        "goes there by itself by Rolling(probe=True), in mon, tue" in run("follow", "list").stdout
    )
    run("channel", "assign", "web@production", "web:6")
    controlled(arrived)
    last = json.loads(run("history", "sim://web", "--json").stdout)[-1]
    assert (last["status"], last["reason"]) == (
        "succeeded", "follows web@production, assignment 2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sim://web", "production"), "not a channel"),
        (("sim://web", "web@staging"), "no such channel"),
        (("sim://web", "web@production", "--window", "22:00 to 6"), "not a time of the week"),
        (("sim://web", "web@production", "--window", "sat 22:00-06:00 Mars"), "not a time zone"),
        (("sim://web", "web@production", "--at-most", "0"), "at_most=0"),
    ],
)
def test_what_can_not_be_followed_says_why(run, served, words, said):
    run("channel", "assign", "web@production", "web:5")
    assert said in run("follow", "set", *words, code=2).stderr
    assert json.loads(run("follow", "list", "--json").stdout) == []


async def offered(journal):
    return bool((await journal.catalog()).offers)


async def arrived(journal):
    last = (await journal.entries(fleet="sim://web"))[-1]
    return last.reason.startswith("follows") and last.status.ended
