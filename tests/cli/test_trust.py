"""Keys, signatures and approvals as they are typed."""

from __future__ import annotations

import json
import stat

import pytest

from immutable.trust import load_bundle

pytest.importorskip("securesystemslib")
from tests.support.images import manifest
from tests.support.signing import pair


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ada", "grace"):
        (tmp_path / name).write_text(pair(name)[0])
        (tmp_path / f"{name}.pub").write_text(pair(name)[1])
    (tmp_path / "web.json").write_bytes(manifest().dump())
    (tmp_path / "trust.toml").write_text(trust("ada", "grace", threshold=2))
    return tmp_path


def trust(*names: str, threshold: int = 1, more: str = "") -> str:
    keys = (f"[[keys]]\nid = '{each}'\npublic = '''{pair(each)[1]}'''\n{more}" for each in names)
    return "\n".join([f"threshold = {threshold}", *keys])


@pytest.fixture
def plan(run, place):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    run("plan", "sim://web", "v2", "--out", "plan.json")
    return place / "plan.json"


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_for_its_owners_eyes_and_overwrites_nothing(run, place):
    made = run("image", "keygen", "release")
    assert stat.S_IMODE((place / "release").stat().st_mode) == 0o600
    assert "PRIVATE" not in made.output
    private = (place / "release").read_text().splitlines()[1]
    assert private not in made.output
    kept = (place / "release").read_bytes()
    assert "is there already; name another one" in run("image", "keygen", "release", code=2).stderr
    (place / "other.pub").write_text("somebody's")
    assert "other.pub" in run("image", "keygen", "other", code=2).stderr
    assert not (place / "other").exists()
    assert (place / "release").read_bytes() == kept
    assert "can't be made" in run("image", "keygen", "nowhere/key", code=2).stderr


def test_what_keygen_prints_is_what_trust_reads(run, place):
    policy = run("image", "keygen", "release").stdout
    (place / "new.toml").write_text(policy)
    run("image", "sign", "web.json", "--key", "release")
    said = run("image", "verify", "web.json", "--trust", "new.toml").stdout
    assert "is signed by release" in said
    other = json.loads(run("image", "keygen", "other", "--json").stdout)
    assert (other["key"], other["public"], len(other["keyid"])) == ("other", "other.pub", 64)


# -- images ----------------------------------------------------------------------------------------


def test_an_image_that_two_have_signed_is_believed(run, place):
    assert "by 1 key" in run("image", "sign", "web.json", "--key", "ada").stdout
    few = run("image", "verify", "web.json", "--trust", "trust.toml", code=5)
    assert "1 of 2 signatures that are needed" in few.stderr
    assert "by 2 keys" in run("image", "sign", "web.json", "--key", "grace").stdout
    said = run("image", "verify", "web.json", "--trust", "trust.toml").stdout
    assert f"web:1.4.2 {manifest().digest}" in said
    assert "aws://eu-west-1/ami-0abc123 is signed by ada, grace" in said
    assert [p.name for p in place.iterdir() if "new" in p.name] == []


def test_only_what_is_launched_may_be_asked_about(run, place):
    for name in ("ada", "grace"):
        run("image", "sign", "web.json", "--key", name, "--out", "signed.jsonl")
    words = ("image", "verify", "web.json", "--trust", "trust.toml", "--signed", "signed.jsonl")
    said = json.loads(run(*words, "--artifact", "aws://eu-west-1/ami-0abc123", "--json").stdout)
    assert said == {
        "digest": manifest().digest,
        "signers": ["ada", "grace"],
        "artifacts": ["aws://eu-west-1/ami-0abc123"],
    }
    other = run(*words, "--artifact", "aws://eu-west-1/ami-0evil", code=5)
    assert "is not what was signed for" in other.stderr
    assert "not an artifact's address" in run(*words, "--artifact", "ami-1", code=2).stderr


def test_who_signs_again_has_signed_once(run, place):
    for _ in range(2):
        said = run("image", "sign", "web.json", "--key", "ada", "--json").stdout
    found = json.loads(said)
    assert (found["keys"], found["digest"]) == (1, manifest().digest)
    assert len(load_bundle((place / found["signed"]).read_text())) == 1


def test_a_manifest_that_was_changed_is_not_believed(run, place):
    run("image", "sign", "web.json", "--key", "ada")
    run("image", "sign", "web.json", "--key", "grace")
    (place / "web.json").write_bytes(manifest(tools={"packer": "1.7"}).dump())
    said = run("image", "verify", "web.json", "--trust", "trust.toml", code=5).stderr
    assert "the manifest's digest is" in said
    kept = (place / "web.json.intoto.jsonl").read_bytes()
    refused = run("image", "sign", "web.json", "--key", "ada", code=2).stderr
    assert "holds what was signed of another one" in refused
    assert (place / "web.json.intoto.jsonl").read_bytes() == kept


def test_a_key_behind_a_uri_is_named_with_its_public_half(run, place):
    words = ("image", "sign", "web.json", "--key", "file2:ada")
    assert "whose public half is needed" in run(*words, code=2).stderr
    run(*words, "--public", "ada.pub")
    (place / "one.toml").write_text(trust("ada"))
    run("image", "verify", "web.json", "--trust", "one.toml")
    wrong = run(*words, "--public", "grace.pub", code=1)
    assert "can't be used" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("sign", "web.json", "--key", "ada.pub"), 2, "not a private key in PEM form"),
        (("sign", "web.json", "--key", "none"), 2, "can't be read"),
        (("sign", "ada.pub", "--key", "ada"), 2, "no JSON"),
        (("verify", "web.json", "--trust", "trust.toml"), 2, "there is no such file; name it"),
        (("verify", "web.json", "--trust", "web.json", "--signed", "ada"), 2, "no TOML"),
        (("verify", "web.json", "--trust", "trust.toml", "--signed", "ada"), 5, "no JSON"),
    ],
)
def test_what_can_not_be_used_is_named(run, place, words, code, said):
    found = run("image", *words, code=code)
    assert said in found.stderr
    assert pair("ada")[0].splitlines()[1] not in found.output


# -- approvals -------------------------------------------------------------------------------------


def test_a_plan_that_two_have_approved_is_approved_and_is_carried_out(run, plan):
    shown = run("approve", "plan.json", "--key", "ada", "--reason", "CVE-2026-1").stdout
    assert "sim://web" in shown
    assert "approved in plan.json.intoto.jsonl, by 1 key" in shown
    words = ("approvals", "plan.json", "--trust", "trust.toml", "--author")
    assert "1 of 2 signatures" in run(*words, "", code=5).stderr
    assert json.loads(run("approve", "plan.json", "--key", "grace", "--json").stdout)["keys"] == 2
    said = run(*words, "alan").stdout
    assert "is approved by ada, grace" in said
    assert "  ada: CVE-2026-1" in said
    assert "  grace: no reason given" in said
    listed = json.loads(run(*words, "alan", "--json").stdout)
    assert (listed["by"], listed["digest"]) == (
        ["ada", "grace"],
        json.loads(plan.read_text())["digest"],
    )
    assert [each["reason"] for each in listed["approvals"]] == ["CVE-2026-1", ""]
    run("apply", "plan.json")


def test_the_author_does_not_count(run, plan):
    for name in ("ada", "grace"):
        run("approve", "plan.json", "--key", name)
    words = ("approvals", "plan.json", "--trust", "trust.toml", "--author", "grace")
    assert "'grace' is that of grace, who wants the change" in run(*words, code=5).stderr


def test_an_approval_is_of_one_plan(run, plan):
    for name in ("ada", "grace"):
        run("approve", "plan.json", "--key", name)
    run("plan", "sim://web", "v3", "--out", "plan.json")
    words = ("approvals", "plan.json", "--trust", "trust.toml", "--author", "")
    assert "have the plan as it is now approved" in run(*words, code=5).stderr
    refused = run("approve", "plan.json", "--key", "ada", code=2).stderr
    assert "holds what was signed of another one; remove it" in refused


def test_an_approval_is_no_signature_of_an_image(run, plan, place):
    run("approve", "plan.json", "--key", "ada", "--out", "signed.jsonl")
    (place / "one.toml").write_text(trust("ada"))
    words = ("image", "verify", "web.json", "--trust", "one.toml", "--signed", "signed.jsonl")
    assert "plan-approval" in run(*words, code=5).stderr


def test_an_expired_key_approves_nothing(run, plan, place):
    (place / "old.toml").write_text(trust("ada", more="not_after = 2020-01-01T00:00:00Z"))
    run("approve", "plan.json", "--key", "ada")
    words = ("approvals", "plan.json", "--trust", "old.toml", "--author", "")
    assert "key 'ada' expired at 2020-01-01T00:00:00Z" in run(*words, code=5).stderr


def test_help_says_what_each_command_is_for(run):
    assert "Sign the plan in PLAN_FILE" in run("approve", "--help").stdout
    assert "have approved the plan" in run("approvals", "--help").stdout
    for name in ("keygen", "sign", "verify"):
        assert name in run("image", "--help").stdout
