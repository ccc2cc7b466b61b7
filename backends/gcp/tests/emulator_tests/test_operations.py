"""Operations: RUNNING, DONE, failed inside of HTTP 200, repeated by `requestId`.

https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses
"""

from __future__ import annotations

import uuid

import pytest
from google.api_core import exceptions


def insert(stage, name="net", **words):
    return stage.emulator.client("networks").insert_unary(
        request={
            "project": stage.project,
            "network_resource": {"name": name, "auto_create_subnetworks": True},
            **words,
        }
    )


def test_a_change_is_running_first_and_done_later(emulator, stage):
    emulator.freeze()
    emulator.laws(operation=60)
    operation = insert(stage)
    assert operation.status.name == "RUNNING"
    assert operation.target_link.endswith("projects/acme/global/networks/net")
    networks = emulator.client("networks")
    with pytest.raises(exceptions.NotFound):
        networks.get(project=stage.project, network="net")
    emulator.skip(seconds=61)
    done = emulator.wait(operation)
    assert (done.status.name, done.progress, done.name) == ("DONE", 100, operation.name)
    assert networks.get(project=stage.project, network="net").id == done.target_id


def test_get_tells_how_an_operation_stands(emulator, stage):
    emulator.freeze()
    emulator.laws(operation=60)
    operation = insert(stage)
    told = emulator.client("global_operations").get(project=stage.project, operation=operation.name)
    assert (told.status.name, told.id) == ("RUNNING", operation.id)


def test_wait_may_return_before_the_end(emulator, stage):
    emulator.freeze()
    emulator.laws(operation=60, wait=0.1)
    operation = insert(stage)
    told = emulator.client("global_operations").wait(
        project=stage.project, operation=operation.name
    )
    assert told.status.name == "RUNNING"


def test_others_are_answered_while_one_waits(emulator, stage):
    from concurrent.futures import ThreadPoolExecutor

    emulator.freeze()
    emulator.laws(operation=60, wait=60)
    operation = insert(stage)
    waiting = ThreadPoolExecutor(1).submit(emulator.wait, operation)
    emulator.client("zones").list(project=stage.project)
    assert not waiting.done()
    emulator.skip(seconds=61)
    assert waiting.result().status.name == "DONE"


def test_an_operation_that_is_not_there(emulator, stage):
    with pytest.raises(exceptions.NotFound):
        emulator.client("zone_operations").get(
            project=stage.project, zone=emulator.zones[0], operation="operation-1"
        )


def test_the_same_request_id_is_the_same_operation(emulator, stage):
    asked = str(uuid.uuid4())
    first = insert(stage, request_id=asked)
    assert insert(stage, request_id=asked).name == first.name
    emulator.wait(first)
    assert insert(stage, request_id=asked).status.name == "DONE"
    with pytest.raises(exceptions.Conflict):
        insert(stage, request_id=str(uuid.uuid4()))


def test_a_request_id_is_a_uuid_and_not_zero(stage):
    for wrong in ("once", str(uuid.UUID(int=0))):
        with pytest.raises(exceptions.BadRequest, match="requestId"):
            insert(stage, request_id=wrong)


def test_a_request_id_belongs_to_one_request(emulator, stage):
    asked = str(uuid.uuid4())
    insert(stage, request_id=asked)
    with pytest.raises(exceptions.BadRequest):
        insert(stage, "other", request_id=asked)
    assert "of another request" in emulator.failures()[0]


def test_a_failed_operation_is_told_with_http_200(emulator, stage):
    emulator.fault(
        action="networks.insert", kind="operation", code="QUOTA_EXCEEDED", message="no", status=403
    )
    done = emulator.wait(insert(stage))
    assert [(e.code, e.message) for e in done.error.errors] == [("QUOTA_EXCEEDED", "no")]
    assert (done.http_error_status_code, done.http_error_message) == (403, "FORBIDDEN")
    stage.done(insert(stage))


def test_a_failed_operation_may_say_so_in_error_alone(emulator, stage):
    emulator.fault(action="networks.*", kind="operation", code="RESOURCE_NOT_READY", message="no")
    done = emulator.wait(insert(stage))
    assert done.error.errors[0].code == "RESOURCE_NOT_READY"
    assert done.http_error_status_code == 0
