"""What looks remember: no more than they may, and nothing that another one learned is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

from immutable.backend import Image, InstanceState, Origin, Revision, to_json
from immutable.testing import run
from immutable_aws.looking import Eyes
from immutable_aws.marks import Marks

IMAGE = to_json(Revision(1, Image.of_artifact("aws", "ami-1")))
OK = {"Status": "ok"}
TAGS = Marks("web", 1, origin=Origin.ADOPTED, image=IMAGE).first()


class Cloud:
    """Stands in for the requests of a look: one group without a load balancer, all of it well.

    Args:
        members: Who is in the group.
    """

    def __init__(self, members):
        self.members = members
        self.doors = {}
        self.made = Counter()
        self.impaired = set()

    async def pages(self, service, call, key, **params):
        self.made[call] += 1
        answer = getattr(self, f"_{call}", lambda **_: [])(**params)
        if call in self.doors:
            await self.doors[call].wait()
        return answer

    def now(self):
        return 100.0

    def _DescribeAutoScalingGroups(self, **_):  # noqa: N802  # As the API is called.
        well = {"LifecycleState": "InService", "HealthStatus": "Healthy"}
        return [
            {
                "AutoScalingGroupName": "web",
                "AutoScalingGroupARN": "arn:web",
                "MinSize": 0,
                "MaxSize": 9,
                "DesiredCapacity": len(self.members),
                "Instances": [{"InstanceId": name, **well} for name in self.members],
                "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
            }
        ]

    def _DescribeInstances(self, *, Filters):  # noqa: N802, N803  # As the API is called.
        at = datetime.fromtimestamp(50, UTC)
        found = [{"InstanceId": name, "LaunchTime": at} for name in Filters[0]["Values"]]
        return [{"Instances": found}]

    def _DescribeInstanceStatus(self, *, InstanceIds):  # noqa: N802, N803  # As the API is called.
        told = {name: "impaired" if name in self.impaired else "ok" for name in InstanceIds}
        return [
            {"InstanceId": name, "InstanceStatus": {"Status": told[name]}, "SystemStatus": OK}
            for name in InstanceIds
        ]


def test_a_member_that_an_earlier_look_did_not_see_is_known_to_the_later_one():
    async def go():
        cloud = Cloud(["i-1"])
        eyes = Eyes(cloud, staleness=20.0, poll=5.0)
        checks, launches = asyncio.Event(), asyncio.Event()
        cloud.doors = {"DescribeInstanceStatus": checks}
        earlier = asyncio.ensure_future(eyes.look("web"))
        await asyncio.sleep(1)
        cloud.members = ["i-1", "i-2"]
        cloud.doors = {"DescribeInstances": launches}
        later = asyncio.ensure_future(eyes.look("web"))
        await asyncio.sleep(1)
        checks.set()
        assert [each.id for each in (await earlier).instances] == ["i-1"]
        launches.set()
        states = {each.id: each.state for each in (await later).instances}
        assert states == {"i-1": InstanceState.READY, "i-2": InstanceState.READY}

    run(go())


def test_what_scales_a_group_is_read_again_by_who_begins_and_after_a_change_of_ours():
    async def go():
        cloud = Cloud(["i-1"])
        eyes = Eyes(cloud, staleness=20.0, poll=5.0)

        async def read(since=None):
            before = cloud.made["DescribePolicies"]
            state = await eyes.look("web", since)
            return state.cursor, cloud.made["DescribePolicies"] - before

        first, reads = await read()
        assert reads == 1
        await asyncio.sleep(19)
        assert (await read())[1] == 0  # As fresh as any answer.
        await asyncio.sleep(100)
        assert (await read(first))[1] == 0
        assert (await read())[1] == 1
        await asyncio.sleep(100)
        assert (await read(1_000))[1] == 1  # A cursor that nobody gave out.
        eyes.scalings.forget()
        latest, reads = await read(first)
        assert reads == 1
        (group,) = await eyes.groups("web")
        await eyes.scalings.read(group)
        assert cloud.made["DescribePolicies"] == 5  # Who acts on them reads them now.
        assert cloud.made["DescribePolicies"] == cloud.made["DescribeScheduledActions"]
        assert (await read(latest))[1] == 0

    run(go())


def test_a_group_that_was_just_made_is_known_without_a_request():
    async def go():
        cloud = Cloud(["i-1"])
        eyes = Eyes(cloud, staleness=20.0, poll=5.0)
        (group,) = await eyes.groups("web")
        revision = Revision(1, Image.of_artifact("aws", "ami-7"))
        eyes.born(group, revision)
        state = await eyes.look("web")
        assert state.groups[0].revision == revision
        assert cloud.made["DescribePolicies"] == 0

    run(go())


def test_who_passed_the_status_checks_is_asked_about_again_when_that_is_old_or_somebody_is_new():
    async def go():
        cloud = Cloud(["i-1", "i-2"])
        eyes = Eyes(cloud, staleness=20.0, poll=5.0)

        async def ready():
            state = await eyes.look("web")
            return {each.id for each in state.instances if each.state is InstanceState.READY}

        assert await ready() == {"i-1", "i-2"}
        cloud.impaired = {"i-1"}
        await asyncio.sleep(19)
        assert await ready() == {"i-1", "i-2"}
        assert cloud.made["DescribeInstanceStatus"] == 1
        await asyncio.sleep(2)
        assert await ready() == {"i-2"}
        # Who fails is asked about each time, and so is everybody while one is new.
        cloud.impaired = set()
        assert await ready() == {"i-1", "i-2"}
        cloud.members, cloud.impaired = ["i-1", "i-2", "i-3"], {"i-2"}
        assert await ready() == {"i-1", "i-3"}
        assert cloud.made["DescribeInstanceStatus"] == 4

    run(go())
