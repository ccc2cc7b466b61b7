"""Drift on AWS: each thing that others do to an instance is found, or said not to be seen."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from immutable import Fleet
from immutable.backend import Denied
from immutable.drift import DriftVerdict
from immutable_aws.comparing import TAINTED
from tests.emulators.adopted import LIMITS
from tests.emulators.drifting import no_alarm_around_a_rollout, page_tells
from tests.emulators.revoking import play

OK, DRIFTED, UNKNOWN = DriftVerdict.OK, DriftVerdict.DRIFTED, DriftVerdict.UNKNOWN


def security_group(account, name):
    vpc = account.stage.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = account.stage.ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)
    return made["GroupId"]


def profile(account, name):
    iam = account.emulator.client("iam")
    return iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]


def mutations(account):
    """What others do to an instance, each with the code that it is to be found under."""
    emulator, ec2 = account.emulator, account.stage.ec2

    def alter(what, value=None):
        return lambda victim: emulator.alter(instance=victim, what=what, value=value)

    def tag(key, value):
        return lambda victim: ec2.create_tags(
            Resources=[victim], Tags=[{"Key": key, "Value": value}]
        )

    own, other = (_root_snapshot(account, each) for each in account.images)
    return {
        "another image": (alter("image", account.images[1]), "image"),
        "another type": (alter("type", "t3.small"), "machine"),
        "other security groups": (alter("groups", [security_group(account, "x")]), "network"),
        "metadata without a session": (alter("metadata", {"HttpTokens": "optional"}), "metadata"),
        "an instance profile": (alter("profile", profile(account, "admin")), "identity"),
        "root volume of another snapshot": (alter("root", other), "disk"),
        "root volume replaced by its like": (alter("root", own), "disk"),
        "a further volume": (alter("volume", "/dev/sdh"), "disk"),
        "stopped and started": (alter("restart"), "restarted"),
        "the fleet's tag changed": (tag("immutable:revision", "7"), "marks"),
        "marked by a login": (tag(TAINTED, "ada logged in"), "tainted"),
        "interface out of sight": (alter("hide"), None),
        "a file changed inside": (lambda _: None, ""),
    }


def _root_snapshot(account, image):
    (told,) = account.stage.ec2.describe_images(ImageIds=[image])["Images"]
    return told["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]


@asynccontextmanager
async def shop(account, size):
    """A fleet of ours with all that can be compared, launched long ago."""
    account.pool = ""
    template = {
        "subnets": ",".join(account.stage.subnets),
        "instance_type": "t3.micro",
        "security_groups": security_group(account, "shop"),
    }
    backend = account.backend()
    await backend.open()
    try:
        async with Fleet.create(
            "aws://eu-west-1/shop", account.images[0], size, template=template,
            limits=evolve(LIMITS, max_surge="100%"), backend=backend, journal=":memory:",
        ) as fleet:  # fmt: skip
            account.emulator.skip(seconds=1000)
            yield fleet
    finally:
        await backend.close()


def test_the_matrix_of_what_others_do_to_an_instance(account, capsys):
    """A mutation an instance; what AWS can't see is in its words, and the instance is ok."""

    async def main():
        matrix = mutations(account)
        async with shop(account, len(matrix)) as fleet:
            clean = await fleet.drift()
            assert clean.verdict is OK, str(clean)
            victims = [each.instance for each in clean.findings]
            for victim, (mutate, _) in zip(victims, matrix.values(), strict=True):
                mutate(victim)
            found = await fleet.drift()
            with capsys.disabled():
                _show(matrix, victims, found)
            for (name, (_, code)), victim in zip(matrix.items(), victims, strict=True):
                (hit,) = (each for each in found.findings if each.instance == victim)
                due = {None: UNKNOWN, "": OK}.get(code, DRIFTED)
                assert hit.verdict is due, name
                assert {each.code.value for each in hit.reasons} == ({code} if code else set()), (
                    name
                )
            assert any("files, packages and processes" in words for words in found.unseen)
            assert any("user data" in words for words in found.unseen)

    asyncio.run(main())


def test_the_page_has_a_line_for_each_mutation(account):
    page_tells("AWS", (code for _, code in mutations(account).values()))


def _show(matrix, victims, found):
    told = {each.instance: each for each in found.findings}
    for name, victim in zip(matrix, victims, strict=True):
        finding = told[victim]
        sys.stdout.write(f"{name:<34} {finding.verdict.value:<8} {finding.why}\n")


def test_no_alarm_before_during_and_after_a_rollout(account):
    no_alarm_around_a_rollout(account, LIMITS, age=lambda: account.emulator.skip(seconds=1000))


def test_a_launched_stranger_with_the_fleets_tag_is_no_member(account):
    async def story(fleet, _):
        ec2 = account.stage.ec2
        made = ec2.run_instances(
            ImageId=account.images[0], InstanceType="t3.micro", MinCount=1, MaxCount=1,
            TagSpecifications=[{
                "ResourceType": "instance", "Tags": [{"Key": "immutable:fleet", "Value": "web"}],
            }],
        )  # fmt: skip
        assert not (await fleet.drift()).strays
        account.emulator.skip(seconds=1000)
        found = await fleet.drift()
        assert [each.id for each in found.strays] == [made["Instances"][0]["InstanceId"]]
        assert found.verdict is DRIFTED
        ec2.terminate_instances(InstanceIds=[found.strays[0].id])

    play(account, story, 1)


def test_an_image_that_is_gone_leaves_the_disks_unknown(account):
    async def story(fleet, _):
        account.stage.ec2.deregister_image(ImageId=account.images[0])
        found = await fleet.drift()
        assert found.verdict is UNKNOWN
        assert "which is not there any more" in found.findings[0].why

    play(account, story, 1)


def test_what_may_not_be_looked_at_is_an_error_and_requests_do_not_grow_with_instances(account):
    async def story(fleet, backend):
        backend.calls.made.clear()
        await backend.inspect("web")
        assert sum(backend.calls.made.values()) == 6
        account.emulator.deny(actions=["ec2:DescribeVolumes"])
        with pytest.raises(Denied):
            await fleet.drift()

    play(account, story, 12)
