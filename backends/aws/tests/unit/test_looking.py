"""Looks at the same time: what one of them learns, the other doesn't take away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from immutable.backend import Image, InstanceState, Origin, Revision, to_json
from immutable.testing import run
from immutable_aws.looking import Eyes
from immutable_aws.marks import Marks

IMAGE = to_json(Revision(1, Image.of_artifact("aws", "ami-1")))
TAGS = Marks("web", 1, origin=Origin.ADOPTED, image=IMAGE).first()


class Cloud:
    """Stands in for the requests of a look: one group without a load balancer, all of it well.

    Args:
        members: Who is in the group.
    """

    def __init__(self, members):
        self.members = members
        self.doors = {}

    async def pages(self, service, call, key, **params):
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
        fine = {"InstanceStatus": {"Status": "ok"}, "SystemStatus": {"Status": "ok"}}
        return [{"InstanceId": name, **fine} for name in InstanceIds]


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
