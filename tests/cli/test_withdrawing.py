"""Revocations that reach the clouds, as they are typed."""

from __future__ import annotations

import json

import pytest

from immutable.backend import Denied
from immutable.memory import Fault
from immutable.registry import register
from tests.cli.conftest import SimBackend
from tests.support.admitting import image
from tests.support.images import BASE, manifest, spec

AMI = "aws://eu-west-1/ami-0abc123"
LOCAL = f"local:///sha256:{'1' * 64}"
REVOKE = ("image", "revoke", BASE, "--reason", "CVE-2026-1", "--withdraw")
RESTORE = ("image", "restore", BASE, "--reason", "false alarm", "--withdrawn")


@pytest.fixture
def aws(run, cloud, tmp_path, monkeypatch):
    """A catalog of web:1, made for what is reached by ``aws://`` here, and that cloud."""
    register("aws", SimBackend)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web-1.json").write_bytes(manifest(spec=spec(version="1")).dump())
    run("image", "add", "web-1.json")
    return cloud


def test_a_revocation_is_carried_out_in_the_cloud_and_taken_back(run, aws):
    assert f"web:1 {AMI}: done" in run(*REVOKE, "deprecate").stdout
    assert aws.withdrawn == {"ami-0abc123": True}
    found = json.loads(run(*REVOKE, "disable", "--json").stdout)
    assert found["affected"] == ["web:1"]
    told = {"image": "web:1", "artifact": AMI, "outcome": "done", "reason": ""}
    local = found["withdrawn"].pop()
    assert (local["artifact"], local["outcome"]) == (LOCAL, "not supported there")
    assert found["withdrawn"] == [told]
    assert aws.withdrawn == {"ami-0abc123": False}
    assert f"web:1 {AMI}: already" in run(*REVOKE, "deprecate").stdout
    restored = json.loads(run(*RESTORE, "--json").stdout)
    assert restored["withdrawn"][0] == told
    assert aws.withdrawn == {}
    exported = run("audit", "export").stdout
    assert [exported.count(each) for each in ("deprecated", "disabled")] == [1, 1]


def test_a_cloud_that_refuses_is_an_error_and_the_revocation_stands(run, aws):
    aws.faults.add(Fault("withdraw_image", lambda: Denied("not allowed: DisableImage")))
    failed = run(*REVOKE, "disable", code=4)
    assert f"{AMI}: failed: not allowed: DisableImage" in failed.stdout
    assert "1 of 2 artifacts failed; the revocation stands" in failed.stderr
    assert "revoked: CVE-2026-1" in run("image", "versions").stdout
    assert f"web:1 {AMI}: done" in run(*REVOKE, "disable").stdout


def test_a_restoration_that_failed_in_the_cloud_can_be_tried_again(run, aws):
    run(*REVOKE, "deprecate")
    aws.faults.add(Fault("restore_image", lambda: Denied("not allowed: EnableImage")))
    failed = run(*RESTORE, "--json", code=4)
    assert json.loads(failed.stdout)["withdrawn"][0]["outcome"] == "failed"
    assert "revoked" not in run("image", "versions").stdout
    assert f"web:1 {AMI}: done" in run(*RESTORE).stdout
    assert "was not revoked itself" in run(*RESTORE[:-1], code=5).stderr


def test_who_disables_an_image_hears_whose_servers_are_not_replaced_any_more(run, aws, tmp_path):
    (tmp_path / "sim.json").write_bytes(image("4", "sim", base="").dump())
    run("image", "add", "sim.json")
    run("fleet", "create", "sim://web", "web-4", "--size", "1")
    words = ("image", "revoke", "web:4", "--reason", "CVE-1", "--withdraw")
    assert "nothing replaces" not in run(*words, "deprecate").stderr
    refused = run(*words, "disable", "--plans", "ways", code=2).stderr
    assert "deprecate it, apply the plans, then disable it" in refused
    said = run(*words, "disable").stderr
    assert "nothing replaces what dies in sim://web while the image is disabled" in said


def test_the_clouds_are_only_told_where_asked_and_now(run, aws):
    shown = json.loads(run(*REVOKE[:-1], "--json").stdout)
    assert "withdrawn" not in shown
    assert aws.withdrawn == {}
    run(*RESTORE[:-1])
    later = run(*REVOKE, "disable", "--at", "2100-01-01T00:00:00Z", code=2)
    assert "clouds can only be told now" in later.stderr
    assert "revoked" not in run("image", "versions").stdout
