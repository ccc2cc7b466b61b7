"""Managed groups: sizes, members that are made and deleted, templates in use.

https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers
"""

from __future__ import annotations

import pytest
from google.api_core import exceptions


def test_a_group_is_done_before_its_members_are(emulator, stage):
    template = stage.template("web-r1", stage.image("web-1"))
    emulator.freeze()
    emulator.laws(boot=60, reaction=30, operation=0)
    told = stage.group("web", 2, template)
    assert (told.target_size, told.status.is_stable) == (2, False)
    first = stage.members("web")
    assert {m.current_action for m in first} == {"CREATING"}
    assert [(m.id, m.instance_status) for m in first] == [(0, ""), (0, "")]
    for state in ("PROVISIONING", "STAGING"):
        emulator.skip(seconds=31)
        assert {m.instance_status for m in stage.members("web")} == {state}
    emulator.skip(seconds=31)
    assert stage.told("web").status.is_stable
    last = stage.members("web")
    assert [m.name for m in last] == [m.name for m in first]
    assert {(m.current_action, m.instance_status) for m in last} == {("NONE", "RUNNING")}
    assert stage.told("web").current_actions.none == 2


def test_resize_makes_and_deletes(emulator, fleet):
    fleet.make(2)
    fleet.call("resize", size=4)
    fleet.settled(4)
    emulator.freeze()
    fleet.call("resize", size=1)
    assert fleet.stage.told("web").target_size == 1
    assert sum(m.current_action == "DELETING" for m in fleet.members()) == 3
    emulator.skip(seconds=1)
    fleet.settled(1)


def test_resize_that_only_begins_shows_creating_when_it_is_done(emulator, fleet):
    fleet.make(1)
    emulator.freeze()
    emulator.laws(reaction=60)
    fleet.call("resize", size=2)
    assert sorted(m.current_action for m in fleet.members()) == ["CREATING", "NONE"]


def test_a_group_has_at_most_a_thousand_members(fleet):
    fleet.make(0)
    with pytest.raises(exceptions.BadRequest, match="1000"):
        fleet.call("resize", size=1001)


def test_delete_instances_lowers_the_target_by_those_it_names(emulator, fleet):
    fleet.make(3)
    emulator.freeze()
    gone = fleet.members()[0]
    assert not fleet.delete(gone).error.errors
    assert fleet.stage.told("web").target_size == 2
    assert fleet.named(gone.name).current_action == "DELETING"
    emulator.skip(seconds=1)
    fleet.settled(2)
    assert fleet.named(gone.name) is None


def test_delete_instances_fails_whole_for_a_stranger(fleet):
    fleet.make(2)
    first, second = fleet.members()
    second.instance += "x"
    failed = fleet.delete(first, second)
    assert failed.error.errors[0].code == "CONDITION_NOT_MET"
    assert fleet.settled(2).stage.told("web").target_size == 2


def test_delete_instances_skips_strangers_and_those_that_leave_if_told_so(emulator, fleet):
    fleet.make(3)
    emulator.freeze()
    emulator.laws(shutdown=60)
    first, second, _ = fleet.members()
    fleet.delete(first)
    done = fleet.delete(first, second, skip_instances_on_validation_error=True)
    assert not done.error.errors
    assert fleet.stage.told("web").target_size == 1


def test_delete_instances_of_something_that_is_no_url(fleet):
    fleet.make(1)
    (member,) = fleet.members()
    member.instance = "web-1"
    with pytest.raises(exceptions.BadRequest, match="No URL"):
        fleet.delete(member)


def test_create_instances_takes_names_and_raises_the_target(fleet):
    fleet.make(1)
    fleet.call(
        "create_instances",
        instance_group_managers_create_instances_request_resource={
            "instances": [{"name": "web-blue"}, {"name": "web-red"}]
        },
    )
    assert fleet.stage.told("web").target_size == 3
    assert {"web-blue", "web-red"} < {m.name for m in fleet.settled(3).members()}


def test_create_instances_with_a_name_that_is_taken(fleet):
    fleet.make(1)
    field = "instance_group_managers_create_instances_request_resource"
    taken = {field: {"instances": [{"name": fleet.members()[0].name}]}}
    assert fleet.call("create_instances", **taken).error.errors
    assert fleet.stage.told("web").target_size == 1


def test_create_instances_not_under_proactive_substitution(fleet):
    """As kubernetes/autoscaler reports it: CONDITION_NOT_MET, 412, in the operation."""
    fleet.make(1)
    fleet.patch(update_policy={"type_": "PROACTIVE"})
    field = "instance_group_managers_create_instances_request_resource"
    failed = fleet.call("create_instances", **{field: {"instances": [{"name": "web-blue"}]}})
    assert failed.http_error_status_code == 412
    assert failed.error.errors[0].code == "CONDITION_NOT_MET"


def test_recreated_members_keep_their_names_and_get_other_ids(emulator, fleet):
    fleet.make(1)
    emulator.freeze()
    (before,) = fleet.members()
    field = "instance_group_managers_recreate_instances_request_resource"
    fleet.call("recreate_instances", **{field: {"instances": [before.instance]}})
    assert fleet.named(before.name).current_action == "RECREATING"
    emulator.skip(seconds=1)
    (after,) = fleet.settled(1).members()
    assert after.name == before.name
    assert after.id != before.id


def test_abandoned_members_live_on_without_the_group(emulator, fleet, until):
    fleet.make(2)
    lost = fleet.members()[0]
    field = "instance_group_managers_abandon_instances_request_resource"
    fleet.call("abandon_instances", **{field: {"instances": [lost.instance]}})
    fleet.settled(1)
    assert fleet.stage.told("web").target_size == 1
    alone = next(m for m in emulator.members() if m["name"] == lost.name)
    assert (alone["group"], alone["status"]) == (None, "RUNNING")


def test_a_group_in_a_backend_service_is_not_deleted(fleet):
    fleet.make(1)
    with pytest.raises(exceptions.BadRequest, match="already being used by") as caught:
        fleet.call("delete")
    assert caught.value.errors[0]["reason"] == "resourceInUseByAnotherResource"


def test_a_deleted_group_takes_its_members_along(emulator, fleet):
    fleet.make(2)
    fleet.stage.group("two", 2, fleet.template)
    fleet.settled(2, "two")
    fleet.call("delete", "two")
    with pytest.raises(exceptions.NotFound):
        fleet.stage.told("two")
    assert {m["group"] for m in emulator.members()} == {"web"}


def test_a_deletion_whose_operation_fails_deletes_nothing(emulator, fleet):
    fleet.make(1)
    fleet.stage.group("two", 1, fleet.template)
    fleet.settled(1, "two")
    emulator.fault(action="*.delete", kind="operation", code="RESOURCE_NOT_READY", times=2)
    assert fleet.call("delete", "two").error.errors
    (member,) = fleet.members("two")
    done = emulator.client("instances").delete_unary(
        project="acme", zone=emulator.zones[0], instance=member.name
    )
    assert emulator.wait(done).error.errors
    fleet.settled(1, "two")
    assert [m.id for m in fleet.members("two")] == [member.id]


def test_no_member_has_a_configuration_of_its_own(fleet):
    fleet.make(1)
    found = fleet.stage.groups.list_per_instance_configs(
        project="acme", instance_group_manager="web", **fleet.stage.where
    )
    assert not list(found)
    assert not fleet.stage.told("web").status.stateful.has_stateful_config


def test_a_template_in_use_is_not_deleted(emulator, fleet):
    fleet.make(1)
    with pytest.raises(exceptions.BadRequest) as caught:
        fleet.stage.templates.delete_unary(project="acme", instance_template="web-r1")
    assert caught.value.errors[0]["reason"] == "resourceInUseByAnotherResource"
    free = fleet.stage.template("web-r2", fleet.image)
    fleet.stage.done(fleet.stage.templates.delete_unary(project="acme", instance_template="web-r2"))
    with pytest.raises(exceptions.NotFound):
        fleet.stage.group("two", 0, free)


def test_a_name_is_taken_once(fleet):
    fleet.make(0)
    with pytest.raises(exceptions.Conflict) as caught:
        fleet.stage.group("web", 0, fleet.template)
    assert caught.value.errors[0]["reason"] == "alreadyExists"


def test_a_stale_fingerprint_is_refused_also_while_the_other_change_goes_on(emulator, fleet):
    fleet.make(0)
    told = fleet.stage.told("web")
    emulator.freeze()
    emulator.laws(operation=60)
    groups, where = fleet.stage.groups, fleet.stage.where

    def patch(note):
        return groups.patch_unary(
            project="acme",
            instance_group_manager="web",
            instance_group_manager_resource={
                "fingerprint": told.fingerprint,
                "all_instances_config": {"properties": {"metadata": {"hold": note}}},
            },
            **where,
        )

    first = patch("one")
    assert fleet.stage.told("web").fingerprint == told.fingerprint
    with pytest.raises(exceptions.PreconditionFailed) as caught:
        patch("two")
    assert caught.value.errors[0]["reason"] == "conditionNotMet"
    emulator.skip(seconds=61)
    emulator.wait(first)
    now = fleet.stage.told("web")
    assert now.all_instances_config.properties.metadata["hold"] == "one"
    assert now.fingerprint != told.fingerprint


def test_list_managed_instances_has_pages_only_where_the_group_says_so(emulator, fleet):
    fleet.make(5, list_managed_instances_results="PAGINATED")

    def calls():
        emulator.clear_calls()
        request = {
            "project": "acme",
            "instance_group_manager": "web",
            "max_results": 2,
            **fleet.stage.where,
        }
        found = list(fleet.stage.groups.list_managed_instances(request=request))
        assert len({m.name for m in found}) == 5
        return emulator.calls()["instanceGroupManagers.listManagedInstances"]

    assert calls() == 3
    fleet.patch(list_managed_instances_results="PAGELESS")
    assert calls() == 1
