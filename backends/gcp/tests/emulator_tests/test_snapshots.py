"""The emulator as its users meet it: what is true, before and after, started by hand."""

from __future__ import annotations

import subprocess
import sys
import urllib.request

import pytest
from google.api_core import exceptions

from tests.emulators.process import ROOT


def test_a_fleet_that_was_changed_and_brought_back_is_as_it_was(emulator, fleet, until):
    fleet.make(2)
    before = emulator.everything()
    fleet.call("resize", size=3)
    fleet.settled(3)
    middle = emulator.everything()
    fleet.delete(fleet.members()[0])
    fleet.settled(2)
    assert emulator.everything() == before
    assert middle != before


def test_members_tell_the_truth_behind_late_lists(emulator, fleet):
    fleet.make(1)
    emulator.freeze()
    emulator.laws(lag=3600)
    instances = emulator.client("instances")
    assert not list(instances.list(project="acme", zone=emulator.zones[0]))
    (member,) = emulator.members(group="web")
    assert (member["group"], member["status"], member["image"]) == ("web", "RUNNING", "web-1")


def test_somebody_else_resizes(emulator, fleet):
    fleet.make(1)
    emulator.resize(group="web", size=2)
    assert fleet.settled(2).stage.told("web").target_size == 2
    assert "instanceGroupManagers.resize" not in emulator.calls()


def test_commands_that_there_are_not_say_which_there_are(emulator):
    with pytest.raises(RuntimeError, match="no command 'explode'; there are"):
        emulator.explode()
    with pytest.raises(RuntimeError, match="no knob 'speed'"):
        emulator.laws(speed=2)
    with pytest.raises(RuntimeError, match="no VM 'x'"):
        emulator.kill(instance="x")


def test_a_mistake_inside_is_loud(emulator, fleet):
    """An answer that is not in Google's shape never leaves."""
    fleet.make(0)
    emulator.laws(wait="long")
    operation = fleet.stage.groups.resize_unary(
        project="acme", instance_group_manager="web", size=1, **fleet.stage.where
    )
    with pytest.raises(exceptions.MethodNotImplemented):
        emulator.wait(operation)
    assert "zoneOperations.wait broke" in emulator.failures()[0]


def test_labels_and_metadata_of_a_vm_need_their_fingerprints(emulator, fleet):
    fleet.make(1)
    name, zone = fleet.members()[0].name, emulator.zones[0]
    instances = emulator.client("instances")
    told = instances.get(project="acme", zone=zone, instance=name)
    items = {item.key: item.value for item in told.metadata.items}
    assert items["created-by"].endswith(f"zones/{zone}/instanceGroupManagers/web")

    def note(fingerprint):
        return instances.set_metadata_unary(
            project="acme",
            zone=zone,
            instance=name,
            metadata_resource={
                "fingerprint": fingerprint,
                "items": [{"key": "hold", "value": "r1"}],
            },
        )

    fleet.stage.done(note(told.metadata.fingerprint))
    with pytest.raises(exceptions.PreconditionFailed):
        note(told.metadata.fingerprint)
    now = instances.get(project="acme", zone=zone, instance=name)
    assert [(item.key, item.value) for item in now.metadata.items] == [("hold", "r1")]
    fleet.stage.done(
        instances.set_labels_unary(
            project="acme",
            zone=zone,
            instance=name,
            instances_set_labels_request_resource={
                "labels": {"role": "web"},
                "label_fingerprint": now.label_fingerprint,
            },
        )
    )
    assert instances.get(project="acme", zone=zone, instance=name).labels == {"role": "web"}


def test_it_is_started_by_hand_and_ends_when_nobody_holds_its_input():
    words = [sys.executable, "-m", "backends.gcp.tests.emulator", "--region", "us-east1"]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(f"{url}/compute/v1/projects/acme/zones", timeout=30) as reply:
        assert b"us-east1-b" in reply.read()
    process.stdin.close()
    assert process.wait(timeout=45) == 0
    process.stdout.close()
