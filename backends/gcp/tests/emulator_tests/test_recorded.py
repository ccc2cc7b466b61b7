"""The shapes of recorded answers: what nearly every recorded resource carries, ours carry too.

The fields are those of the Compute v1 answers that Apache Libcloud keeps for its own tests
(https://github.com/apache/libcloud, libcloud/test/compute/fixtures/gce): of each kind those that
at least 95 of 100 have, but `description`, which is the caller's.
"""

from __future__ import annotations

import json
import urllib.request

import pytest

ALWAYS = "creationTimestamp id kind name selfLink"

RECORDED = {
    "zones/{zone}/instances/{vm}": f"{ALWAYS} canIpForward disks machineType metadata"
    " networkInterfaces scheduling status tags zone",
    "zones/{zone}/instanceGroupManagers/web": f"{ALWAYS} baseInstanceName currentActions"
    " fingerprint instanceGroup instanceTemplate targetSize zone",
    "zones/{zone}/instanceGroups/web": f"{ALWAYS} fingerprint size network zone",
    "zones/{zone}/autoscalers/web": f"{ALWAYS} autoscalingPolicy target zone",
    "global/instanceTemplates/web-r1": f"{ALWAYS} properties",
    "global/images/web-1": f"{ALWAYS} archiveSizeBytes rawDisk sourceType status",
    "global/backendServices/pool": f"{ALWAYS} backends fingerprint healthChecks port portName"
    " protocol timeoutSec",
    "global/urlMaps/front": f"{ALWAYS} defaultService fingerprint",
    "global/operations/{operation}": "id insertTime kind name operationType progress selfLink"
    " startTime status targetId targetLink user",
    "global/networks/default": ALWAYS,
    "regions/{region}/subnetworks/default": f"{ALWAYS} gatewayAddress ipCidrRange network region",
    "zones/{zone}": f"{ALWAYS} region status",
    "regions/{region}": f"{ALWAYS} quotas status zones",
    "zones/{zone}/machineTypes/e2-micro": f"{ALWAYS} guestCpus imageSpaceGb maximumPersistentDisks"
    " maximumPersistentDisksSizeGb memoryMb zone",
    "": f"{ALWAYS} commonInstanceMetadata quotas",
}


@pytest.fixture
def everything(emulator, fleet):
    """One resource of each kind, and a way to read them as JSON."""
    fleet.make(1)
    stage = fleet.stage
    scaler = {
        "name": "web",
        "target": stage.told("web").self_link,
        "autoscaling_policy": {"max_num_replicas": 3},
    }
    stage.done(
        stage.scalers.insert_unary(project="acme", autoscaler_resource=scaler, **stage.where)
    )
    front = {"name": "front", "default_service": "global/backendServices/pool"}
    done = stage.done(stage.maps.insert_unary(project="acme", url_map_resource=front))
    names = {
        "zone": emulator.zones[0],
        "region": emulator.region,
        "vm": fleet.members()[0].name,
        "operation": done.name,
    }

    def read(path):
        url = f"{emulator.url}/compute/v1/projects/acme/{path.format(**names)}".rstrip("/")
        with urllib.request.urlopen(url, timeout=30) as reply:
            return json.load(reply)

    return read


def test_resources_carry_what_recorded_ones_carry(everything):
    for path, fields in RECORDED.items():
        missing = set(fields.split()) - set(everything(path))
        assert not missing, f"{path}: {missing}"


def test_values_are_written_as_recorded_ones_are(emulator, everything):
    group = everything("zones/{zone}/instanceGroupManagers/web")
    assert group["kind"] == "compute#instanceGroupManager"
    assert isinstance(group["id"], str)
    assert group["zone"].startswith("https://www.googleapis.com/compute/v1/projects/acme/zones/")
    assert set(group["currentActions"]) >= {"none", "creating", "recreating", "deleting"}
    assert len(group["fingerprint"]) == len("Q21hYveq9do=")


def test_groups_carry_fields_that_no_schema_lists(emulator, everything):
    """Seen in recorded traffic: a parser must live with them, and the real client does."""
    assert "serviceAccount" in everything("zones/{zone}/instanceGroupManagers/web")
    emulator.laws(unlisted=False)
    assert "serviceAccount" not in everything("zones/{zone}/instanceGroupManagers/web")


def test_errors_in_operations_are_written_as_recorded_ones_are(emulator, fleet):
    """RESOURCE_ALREADY_EXISTS, 409, CONFLICT: of two that begin at once, the second one."""
    fleet.make(1)
    emulator.freeze()
    emulator.laws(operation=60)
    instances = emulator.client("instances")
    request = {
        "project": "acme",
        "zone": emulator.zones[0],
        "source_instance_template": fleet.template,
        "instance_resource": {"name": "alone"},
    }
    first, second = instances.insert_unary(request), instances.insert_unary(request)
    emulator.skip(seconds=61)
    fleet.stage.done(first)
    failed = emulator.wait(second)
    assert failed.error.errors[0].code == "RESOURCE_ALREADY_EXISTS"
    assert (failed.http_error_status_code, failed.http_error_message) == (409, "CONFLICT")
