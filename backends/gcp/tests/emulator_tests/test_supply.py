"""Stockouts and quotas: in the operation, or in the member's last attempt.

https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability
https://cloud.google.com/compute/resource-usage
"""

from __future__ import annotations


def attempts(fleet):
    return [
        m.last_attempt.errors.errors[0] for m in fleet.members() if m.last_attempt.errors.errors
    ]


def test_a_zone_without_room_is_told_in_the_last_attempt_and_tried_again(emulator, fleet, until):
    emulator.laws(retry=0.05)
    emulator.capacity(zone=emulator.zones[0], instances=2)
    fleet.make(2)
    fleet.call("resize", size=3)
    error = until(lambda: attempts(fleet))[0]
    assert error.code == "ZONE_RESOURCE_POOL_EXHAUSTED"
    told = fleet.stage.told("web")
    assert (told.target_size, told.status.is_stable, told.current_actions.creating) == (3, False, 1)
    request = {"project": "acme", "instance_group_manager": "web", **fleet.stage.where}
    listed = list(fleet.stage.groups.list_errors(request=request))
    assert listed[0].error.code == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert listed[0].instance_action_details.action == "CREATING"
    emulator.capacity(zone=emulator.zones[0], instances=None)
    fleet.settled(3)
    assert not attempts(fleet)


def test_a_quota_counts_what_is_not_gone_yet(emulator, fleet, until):
    fleet.make(2)
    emulator.quota(metric="CPUS", limit=6)  # e2-medium has two
    regions = emulator.client("regions")
    quotas = {q.metric: q for q in regions.get(project="acme", region=emulator.region).quotas}
    assert (quotas["CPUS"].usage, quotas["CPUS"].limit) == (4, 6)
    fleet.call("resize", size=4)
    error = until(lambda: attempts(fleet))[0]
    assert error.code == "QUOTA_EXCEEDED"
    assert "Quota 'CPUS' exceeded.  Limit: 6.0 in region europe-west1." in error.message


def test_a_member_that_can_not_be_made_can_be_deleted(emulator, fleet, until):
    emulator.capacity(zone=emulator.zones[0], instances=1)
    fleet.make(1)
    fleet.call("resize", size=2)
    until(lambda: attempts(fleet))
    stuck = next(m for m in fleet.members() if m.current_action == "CREATING")
    assert stuck.id == 0
    fleet.delete(stuck)
    assert fleet.settled(1).stage.told("web").target_size == 1


def test_a_single_vm_that_can_not_be_had_fails_its_operation(emulator, stage):
    emulator.capacity(zone=emulator.zones[0], instances=0)
    image = stage.image("web-1")
    resource = {
        "name": "alone",
        "machine_type": f"zones/{emulator.zones[0]}/machineTypes/e2-micro",
        "disks": [{"boot": True, "initialize_params": {"source_image": image}}],
        "network_interfaces": [{"network": "global/networks/default"}],
    }
    instances = emulator.client("instances")

    def insert():
        return emulator.wait(
            instances.insert_unary(
                project="acme", zone=emulator.zones[0], instance_resource=resource
            )
        )

    failed = insert()
    assert failed.error.errors[0].code == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert failed.http_error_status_code == 503
    emulator.capacity(zone=emulator.zones[0], instances=1)
    assert not insert().error.errors
    assert emulator.members()[0]["name"] == "alone"
