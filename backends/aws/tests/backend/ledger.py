"""A fleet with volumes in an account, and what EC2 itself says of them."""

from __future__ import annotations

from contextlib import asynccontextmanager

from attrs import evolve

from backends.aws.tests.backend.account import ONE_BY_ONE
from backends.aws.tests.backend.author import QUICK
from immutable import Fleet
from immutable.backend import Context, FrozenMap, Revision
from immutable.volumes import Volume
from immutable_aws import AwsBackend
from immutable_aws.address import Place

DATA = (Volume("data", "/var/lib/db", "20"), Volume("log", "/var/log/db"))


class Ledger:
    """An account with one stateful fleet ``db`` in one zone."""

    def __init__(self, account):
        self.emulator, self.stage, self.images = account.emulator, account.stage, account.images
        self.template = {
            "subnets": self.stage.subnets[0],
            "instance_type": "t3.micro",
            "instance_profile": self.stage.profile("db"),
        }

    def backend(self):
        able = evolve(QUICK, late_effect=0.5)
        return AwsBackend(Place("eu-west-1"), fleet="db", capabilities=able, timeout=10.0)

    @asynccontextmanager
    async def fleet(self, size=3, *, journal=":memory:", volumes=DATA, **template):
        """Make the fleet, or get hold of it with ``size=None``."""
        backend, address = self.backend(), "aws://eu-west-1/db"
        await backend.open()
        given = {"backend": backend, "journal": journal}
        try:
            if size is None:
                opened = Fleet.connect(address, **given)
            else:
                made = {**self.template, **template}
                opened = Fleet.create(
                    address, self.images[0], size, volumes=volumes, template=made,
                    limits=ONE_BY_ONE, **given,
                )  # fmt: skip
            async with opened as fleet:
                yield fleet
        finally:
            await backend.close()

    volumes_of_slots = DATA

    def revision(self, image):
        """Return the first revision."""
        return Revision(1, image, template=FrozenMap(self.template))

    def ctx(self):
        """Return a context of some rollout."""
        return Context("made", "plan", 1, "made-db", 60)

    def _tagged(self, found):
        told = {}
        for each in found:
            tags = {tag["Key"].removeprefix("immutable:"): tag["Value"] for tag in each["Tags"]}
            told.setdefault((tags["slot"], tags["volume"]), []).append(each)
        return told

    def volumes(self):
        """Every volume of a slot, by slot and name: which it is, and what it is."""
        found = self.stage.ec2.describe_volumes(
            Filters=[{"Name": "tag-key", "Values": ["immutable:slot"]}]
        )["Volumes"]
        return {
            place: [(e["VolumeId"], e["Size"], e["Encrypted"], e["AvailabilityZone"]) for e in some]
            for place, some in self._tagged(found).items()
        }

    def snapshots(self):
        """How many snapshots there are, by slot and name."""
        found = self.stage.ec2.describe_snapshots(
            Filters=[{"Name": "tag-key", "Values": ["immutable:slot"]}]
        )["Snapshots"]
        return {place: len(some) for place, some in self._tagged(found).items()}

    def holders(self):
        """By instance, the volumes that it has beside its root, as EC2 tells."""
        told = self.stage.ec2.describe_volumes(
            Filters=[{"Name": "tag-key", "Values": ["immutable:slot"]}]
        )["Volumes"]
        held = {}
        for each in told:
            for attachment in each["Attachments"]:
                held.setdefault(attachment["InstanceId"], set()).add(each["VolumeId"])
        return held

    def serving(self, group):
        there = self.emulator.members(group=group)
        return [each["id"] for each in there if each["lifecycle"] == "InService"]
