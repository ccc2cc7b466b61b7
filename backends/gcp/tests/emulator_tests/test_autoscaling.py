"""Autoscalers act by themselves, remember, and have modes.

https://cloud.google.com/compute/docs/autoscaler/managing-autoscalers
https://cloud.google.com/compute/docs/autoscaler/understanding-autoscaler-decisions
"""

from __future__ import annotations

import pytest
from google.api_core import exceptions


@pytest.fixture
def scaled(emulator, fleet):
    """A fleet of two with an autoscaler that looks often and forgets after half a second."""

    def make(mode="ON", **policy):
        emulator.laws(autoscaler=0.02, scale=0.0008)  # 600 s are 0.48 s here
        fleet.make(2)
        resource = {
            "name": "web",
            "target": fleet.stage.told("web").self_link,
            "autoscaling_policy": {"mode": mode, "max_num_replicas": 5, **policy},
        }
        fleet.stage.done(
            fleet.stage.scalers.insert_unary(
                project="acme", autoscaler_resource=resource, **fleet.stage.where
            )
        )
        return fleet

    return make


def test_redistribution_and_autoscaling_are_both_on_or_both_off(emulator, spread):
    """https://cloud.google.com/compute/docs/autoscaler: the one does not work without the other."""
    spread.make(3)
    where = spread.stage.where
    scaler = {
        "name": "web",
        "target": spread.stage.told("web").self_link,
        "autoscaling_policy": {"max_num_replicas": 5},
    }
    spread.stage.done(
        spread.stage.scalers.insert_unary(project="acme", autoscaler_resource=scaler, **where)
    )

    def turn(mode):
        patch = {"autoscaling_policy": {"mode": mode}}
        request = {"project": "acme", "autoscaler": "web", "autoscaler_resource": patch, **where}
        return emulator.wait(spread.stage.scalers.patch_unary(request=request))

    off = {"update_policy": {"instance_redistribution_type": "NONE"}}
    with pytest.raises(exceptions.BadRequest, match="is autoscaled"):
        spread.patch(**off)
    turn("OFF")
    spread.patch(**off)
    with pytest.raises(exceptions.BadRequest, match="redistribution of the group is off"):
        turn("ON")
    spread.patch(update_policy={"instance_redistribution_type": "PROACTIVE"})
    turn("ON")


def test_a_stateful_group_has_no_autoscaler(fleet):
    """https://cloud.google.com/compute/docs/autoscaler: not with stateful configuration."""
    disks = {"preserved_state": {"disks": {"data": {"auto_delete": "NEVER"}}}}
    fleet.make(1, stateful_policy=disks)
    where, target = fleet.stage.where, fleet.stage.told("web").self_link

    def insert(mode):
        policy = {"mode": mode, "max_num_replicas": 5}
        scaler = {"name": "web", "target": target, "autoscaling_policy": policy}
        words = {"project": "acme", "autoscaler_resource": scaler, **where}
        return fleet.stage.done(fleet.stage.scalers.insert_unary(**words))

    with pytest.raises(exceptions.BadRequest, match="is stateful"):
        insert("ON")
    insert("OFF")


def told(fleet):
    return fleet.stage.scalers.get(project="acme", autoscaler="web", **fleet.stage.where)


def target(fleet):
    return fleet.stage.told("web").target_size


def test_on_follows_both_ways_and_downwards_late(emulator, scaled, until):
    fleet = scaled()
    emulator.demand(group="web", size=4)
    until(lambda: target(fleet) == 4)
    emulator.demand(group="web", size=1)
    until(lambda: target(fleet) == 1)
    emulator.demand(group="web", size=9)
    until(lambda: target(fleet) == 5)  # maxNumReplicas


def test_a_deletion_is_made_good_by_an_autoscaler_that_remembers(emulator, scaled, until):
    fleet = scaled()
    until(lambda: told(fleet).recommended_size == 2)
    fleet.delete(fleet.members()[0])
    until(lambda: target(fleet) == 2)
    fleet.settled(2)


def test_only_scale_out_never_lowers_and_remembers_all_the_same(emulator, scaled, until):
    fleet = scaled("ONLY_SCALE_OUT")
    until(lambda: told(fleet).recommended_size == 2)
    fleet.delete(fleet.members()[0])
    until(lambda: target(fleet) == 2)
    emulator.demand(group="web", size=1)
    until(lambda: told(fleet).recommended_size == 1)
    assert target(fleet) == 2


def test_off_recommends_and_does_nothing(emulator, scaled, until):
    fleet = scaled("OFF")
    emulator.demand(group="web", size=4)
    until(lambda: told(fleet).recommended_size == 4)
    assert target(fleet) == 2
    on = {
        "project": "acme",
        "autoscaler": "web",
        "autoscaler_resource": {"autoscaling_policy": {"mode": "ON"}},
        **fleet.stage.where,
    }
    fleet.stage.done(fleet.stage.scalers.patch_unary(request=on))
    assert told(fleet).autoscaling_policy.max_num_replicas == 5
    until(lambda: target(fleet) == 4)


def test_an_autoscaled_group_is_not_deleted_and_has_no_second_autoscaler(scaled):
    fleet = scaled()
    resource = {
        "name": "other",
        "target": fleet.stage.told("web").self_link,
        "autoscaling_policy": {"max_num_replicas": 5},
    }
    with pytest.raises(exceptions.Conflict):
        fleet.stage.scalers.insert_unary(
            project="acme", autoscaler_resource=resource, **fleet.stage.where
        )
    assert fleet.stage.told("web").status.autoscaler.endswith("/autoscalers/web")


def test_no_names_are_given_while_an_autoscaler_acts(scaled):
    fleet = scaled()
    field = "instance_group_managers_create_instances_request_resource"
    failed = fleet.call("create_instances", **{field: {"instances": [{"name": "web-blue"}]}})
    assert failed.error.errors[0].code == "CONDITION_NOT_MET"
