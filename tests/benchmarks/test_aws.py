"""The benchmark on AWS runs, small: who is compared does what is said of them."""

from __future__ import annotations

import asyncio
import time

import pytest

from benchmarks import aws
from benchmarks.skipping import Time

SMALL = aws.Case(
    4, 2, recorded=(1.0, 20.0), faster=1000.0, fewer=0.001, calls=1000.0, boot=2.0
)  # Of the tool no run of this size was recorded.


class Cloud:
    """Somebody whose time is skipped, too."""

    def __init__(self):
        self.skipped, self.stands = 0.0, False

    def freeze(self):
        self.stands = True

    def skip(self, *, seconds):
        self.skipped += seconds


@pytest.fixture(scope="module")
def they():
    return aws.theirs(SMALL)


def test_the_roller_looks_at_each_member_each_time_and_begins_one_thing_at_a_time(they):
    # Sizes that its seven looks find: 4 to make sure, 4, 5 (one is enough to try), 6 (a batch),
    # 4 (two ended), 6, 4 (two more ended).
    members = 4 + 4 + 5 + 6 + 4 + 6 + 4
    assert they.calls == {
        "autoscaling:DescribeAutoScalingGroups": 7,
        "ec2:DescribeInstances": members,
        "ec2:DescribeLaunchTemplates": members,
        "autoscaling:SetDesiredCapacity": 3,
        "autoscaling:TerminateInstanceInAutoScalingGroup": 4,
    }
    assert they.whole == pytest.approx(5 * 15 + they.calls.total() * aws.LATENCY)
    assert list(they.images.values()) == [4]


def test_ours_replaces_the_same_group_and_each_requirement_is_a_row(they):
    we = aws.ours(SMALL)
    assert list(we.images.values()) == [4]
    assert we.calls["autoscaling:TerminateInstanceInAutoScalingGroup"] == 2
    assert SMALL.bound <= we.makespan <= we.whole
    assert 0 < we.planned < we.driven < we.calls.total()
    fresh = aws.ours(SMALL, staleness=0.0)
    assert fresh.whole < we.whole - 20  # What it waits for at the beginning, and at the end.
    rows = {row["what"]: row for row in aws.rows(SMALL, they, we, fresh)}
    assert len(rows) == 7
    whole = rows["staleness 0: times faster, whole"]
    assert (whole["required"], whole["holds"]) == (">= 1000", False)
    assert whole["measured"] == round(they.whole / fresh.whole, 3)
    assert rows["ours: calls / server"]["holds"] is True
    assert rows["roller: calls / server"]["measured"] == they.calls.total() / 4
    assert rows["roller: whole / bound"]["holds"] is False  # Longer than 1.15 times.


def test_time_is_skipped_while_nobody_works_and_stands_still_while_somebody_does():
    cloud = Cloud()
    clock = Time(cloud)
    assert cloud.stands

    async def main():
        loop = asyncio.get_running_loop()
        began, wall = loop.time(), clock.now()
        await asyncio.sleep(3600)
        assert (loop.time() - began, clock.now() - wall) == pytest.approx((3600, 3600))
        # The hour of the other one has to wait for what a thread does.
        other = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.to_thread(time.sleep, 0.05)
        assert cloud.skipped == pytest.approx(3600)
        await other

    clock.run(main())
    assert cloud.skipped == clock.skipped == pytest.approx(7200)
