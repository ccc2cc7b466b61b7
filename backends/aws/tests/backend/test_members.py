"""The program that runs on the instances of a fleet with volumes, as they run it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from backends.aws.tests.backend.ledger import Ledger
from immutable.backend import Denied
from immutable.errors import ImmutableError
from immutable_aws.attaching import attach_slot, into_service
from tests.emulators.adopted import run
from tests.emulators.process import ROOT
from tests.emulators.waiting import until


@pytest.fixture
def ledger(account):
    return Ledger(account)


def members(ledger):
    return ledger.emulator.members(group="db-r1")


def launched(ledger, size):
    """Make the fleet and let it launch; nothing runs on its members. Their ids."""

    async def make():
        backend = ledger.backend()
        await backend.open()
        image = await backend.resolve(ledger.images[0])
        revision = ledger.revision(image)
        await backend.create_stateful_fleet("db", revision, ledger.volumes_of_slots)
        await backend.grow("db", 1, size, expected=0, ctx=ledger.ctx())
        await backend.close()

    run(make())
    until(
        lambda: [e for e in members(ledger) if e["lifecycle"] == "Pending:Wait"],
        lambda there: len(there) == size,
    )
    return [each["id"] for each in members(ledger)]


@contextmanager
def metadata(instance):
    """The instance metadata service: answers who has asked for a session."""

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self):
            self.tell("a-session")

        def do_GET(self):
            known = self.headers.get("X-aws-ec2-metadata-token") == "a-session"
            told = {
                "/latest/meta-data/instance-id": instance,
                "/latest/meta-data/placement/region": "eu-west-1",
            }
            self.tell(told[self.path]) if known else self.send_error(401)

        def tell(self, text):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """Nothing: the test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def program(ledger, instance, *words):
    with metadata(instance) as service:
        return subprocess.run(
            [sys.executable, "-m", "immutable_aws.attaching", *words],
            cwd=ROOT,
            env={
                **os.environ,
                **ledger.emulator.environment(),
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": service,
            },
            capture_output=True,
            text=True,
            check=False,
        )


def test_it_prints_what_to_mount_and_lets_the_member_into_service_when_told(ledger):
    (instance,) = launched(ledger, 1)
    done = program(ledger, instance)
    assert (done.returncode, done.stderr) == (0, "")
    first, data, log = done.stdout.splitlines()
    held = ledger.volumes()
    ids = [held["0", name][0][0] for name in ("data", "log")]
    by_id = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
    assert first == "# slot 0"
    assert data == f"data /var/lib/db {ids[0]} {by_id}{ids[0].replace('-', '')}"
    assert log == f"log /var/log/db {ids[1]} {by_id}{ids[1].replace('-', '')}"
    assert ledger.holders() == {instance: set(ids)}
    assert [each["lifecycle"] for each in members(ledger)] == ["Pending:Wait"]
    assert program(ledger, instance, "--ready").returncode == 0
    until(lambda: ledger.serving("db-r1"), lambda there: there == [instance])
    assert program(ledger, instance, "--ready").returncode == 0  # It is there already.
    assert program(ledger, instance).stdout == done.stdout  # As after a reboot.


def test_who_finds_no_free_slot_says_so_and_has_none(ledger):
    one, two = launched(ledger, 2)
    ec2, never = ledger.stage.ec2, {"sleep": lambda _: None}
    slots = [attach_slot(ec2, each, patience=30, **never)[0] for each in (one, two)]
    assert sorted(slots) == ["0", "1"]
    image = ledger.images[0]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "immutable:fleet", "Value": "db"}]}]
    third = ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, TagSpecifications=tags,
        SubnetId=ledger.stage.subnets[0],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    with pytest.raises(ImmutableError, match=r"no slot of db in eu-west-1a is whole and free"):
        attach_slot(ec2, third, patience=0.2, **never)
    assert third not in ledger.holders()
    done = program(ledger, third, "--patience", "0.2")
    assert done.returncode == 1
    assert "has no slot after 0.2 s" in done.stderr
    assert into_service(ledger.stage.asg, third, patience=5, **never) is False


def test_a_stranger_and_who_may_not_are_told_at_once(ledger):
    (instance,) = launched(ledger, 1)
    ec2 = ledger.stage.ec2
    stranger = ec2.run_instances(
        ImageId=ledger.images[0], InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    with pytest.raises(ImmutableError, match="no member of a fleet"):
        attach_slot(ec2, stranger)
    ledger.emulator.deny(actions=["ec2:AttachVolume"])
    with pytest.raises(Denied):
        attach_slot(ec2, instance)
