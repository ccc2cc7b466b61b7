"""Versions: OPPORTUNISTIC leaves members alone, PROACTIVE replaces inside its bounds.

https://cloud.google.com/compute/docs/instance-groups/rolling-out-updates-to-managed-instance-groups
"""

from __future__ import annotations

from collections import Counter

import pytest
from google.api_core import exceptions


def templates(fleet):
    return Counter(m.version.instance_template.rpartition("/")[2] for m in fleet.members())


def newer(fleet):
    return fleet.stage.template("web-r2", fleet.image)


def test_opportunistic_touches_nobody(fleet):
    fleet.make(2)
    ids = {m.id for m in fleet.members()}
    fleet.patch(versions=[{"instance_template": newer(fleet)}])
    status = fleet.settled(2).stage.told("web").status
    assert {m.id for m in fleet.members()} == ids
    assert (status.is_stable, status.version_target.is_reached) == (True, False)
    fleet.call("resize", size=3)
    fleet.settled(3)
    assert templates(fleet) == {"web-r1": 2, "web-r2": 1}


def test_apply_updates_replaces_those_that_it_names(fleet):
    fleet.make(2)
    first, second = fleet.members()
    fleet.patch(versions=[{"instance_template": newer(fleet)}])
    field = "instance_group_managers_apply_updates_request_resource"
    fleet.call("apply_updates_to_instances", **{field: {"instances": [first.instance]}})
    fleet.settled(2)
    assert templates(fleet) == {"web-r1": 1, "web-r2": 1}
    assert fleet.named(first.name).id != first.id
    assert fleet.named(second.name).id == second.id


def test_apply_updates_does_no_more_than_it_is_allowed_to(fleet):
    fleet.make(1)
    (first,) = fleet.members()
    fleet.patch(versions=[{"instance_template": newer(fleet)}])
    field = "instance_group_managers_apply_updates_request_resource"
    asked = {"instances": [first.instance], "most_disruptive_allowed_action": "RESTART"}
    assert fleet.call("apply_updates_to_instances", **{field: asked}).error.errors
    assert fleet.named(first.name).id == first.id


def test_proactive_replaces_everybody_inside_its_bounds(emulator, fleet, until):
    fleet.make(4)
    emulator.laws(boot=0.15)
    fleet.patch(
        versions=[{"instance_template": newer(fleet)}],
        update_policy={
            "type_": "PROACTIVE",
            "max_surge": {"fixed": 1},
            "max_unavailable": {"fixed": 0},
        },
    )
    running, most = 4, 4

    def look():
        nonlocal running, most
        members = emulator.members()
        running = min(running, sum(m["status"] == "RUNNING" for m in members))
        most = max(most, len(members))
        return fleet.stage.told("web").status.version_target.is_reached

    until(look)
    fleet.settled(4)
    assert templates(fleet) == {"web-r2": 4}
    assert (running >= 4, most <= 5) == (True, True)


def test_recreate_keeps_names(fleet):
    fleet.make(2)
    names = {m.name for m in fleet.members()}
    fleet.patch(
        versions=[{"instance_template": newer(fleet)}],
        update_policy={
            "type_": "PROACTIVE",
            "replacement_method": "RECREATE",
            "max_surge": {"fixed": 0},
            "max_unavailable": {"fixed": 1},
        },
    )
    assert {m.name for m in fleet.settled(2).members()} == names
    assert templates(fleet) == {"web-r2": 2}


def test_a_canary_version_has_its_share(fleet):
    fleet.make(4)
    fleet.patch(
        versions=[
            {"instance_template": fleet.template},
            {"instance_template": newer(fleet), "name": "canary", "target_size": {"percent": 25}},
        ],
        update_policy={"type_": "PROACTIVE"},
    )
    fleet.settled(4)
    assert templates(fleet) == {"web-r1": 3, "web-r2": 1}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"versions": []}, "instanceTemplate"),
        ({"versions": [{"instance_template": "X"}, {"instance_template": "X"}]}, "Exactly one"),
        (
            {
                "update_policy": {
                    "type_": "PROACTIVE",
                    "max_surge": {"fixed": 0},
                    "max_unavailable": {"fixed": 0},
                }
            },
            "can't both be 0",
        ),
        ({"update_policy": {"replacement_method": "RECREATE"}}, "Must be 0 for RECREATE"),
    ],
)
def test_configurations_that_can_not_be(fleet, fields, said):
    fleet.make(0)
    for version in fields.get("versions", []):
        version["instance_template"] = fleet.template
    with pytest.raises(exceptions.BadRequest, match=said):
        fleet.stage.group("two", 1, fleet.template, **fields)


def test_all_instances_configuration_waits_for_new_members(emulator, fleet):
    """Marks can be kept there: new VMs have them, old ones not before they are updated."""
    fleet.make(1)
    (old,) = fleet.members()
    fleet.patch(all_instances_config={"properties": {"metadata": {"hold": "r1"}}})
    told = fleet.settled(1).stage.told("web").status.all_instances_config
    assert told.effective is False
    assert told.current_revision
    fleet.call("resize", size=2)
    new = next(m for m in fleet.settled(2).members() if m.name != old.name)
    instances = emulator.client("instances")

    def metadata(member):
        found = instances.get(project="acme", zone=emulator.zones[0], instance=member.name)
        return {item.key: item.value for item in found.metadata.items}

    assert metadata(new)["hold"] == "r1"
    assert "hold" not in metadata(old)
    field = "instance_group_managers_apply_updates_request_resource"
    fleet.call(
        "apply_updates_to_instances",
        **{field: {"all_instances": True, "minimal_action": "REFRESH"}},
    )
    fleet.settled(2)
    assert metadata(old)["hold"] == "r1"
    assert fleet.named(old.name).id == old.id
    assert fleet.stage.told("web").status.all_instances_config.effective


def test_a_merge_patch_keeps_what_it_does_not_name(emulator, fleet):
    """RFC 7396: only null deletes a key, and the client can't send null."""
    import json
    import urllib.request

    fleet.make(0)
    fleet.patch(all_instances_config={"properties": {"metadata": {"a": "1", "b": "2"}}})
    fleet.patch(all_instances_config={"properties": {"metadata": {"a": "3"}}})

    def metadata():
        told = fleet.stage.told("web").all_instances_config.properties.metadata
        return dict(told)

    assert metadata() == {"a": "3", "b": "2"}
    body = {"allInstancesConfig": {"properties": {"metadata": {"b": None}}}}
    path = f"/compute/v1/projects/acme/zones/{emulator.zones[0]}/instanceGroupManagers/web"
    request = urllib.request.Request(emulator.url + path, json.dumps(body).encode(), method="PATCH")
    operation = json.load(urllib.request.urlopen(request, timeout=30))
    emulator.client("zone_operations").wait(
        project="acme", zone=emulator.zones[0], operation=operation["name"]
    )
    assert metadata() == {"a": "3"}
