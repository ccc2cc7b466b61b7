"""Fleets that follow a channel: offered plans or carried out, each once, within their bounds."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from immutable import BlueGreen, Fleet, Rolling, Status, open_journal
from immutable.admission import BuiltBy, Policy, Weekly, set_policy
from immutable.catalog import add, assign
from immutable.controller import Controller
from immutable.following import Follower, Following, follow, unfollow
from immutable.memory import Behaviour, Cloud, MemoryBackend
from immutable.model.serial import load_plan
from immutable.testing import LoopClock, run
from tests.support.cataloguing import PRODUCTION, added
from tests.support.world import LIMITS

NAMES = ("a", "b", "c")


class Region:
    """Three fleets of web:1, a catalog of three versions, followers and controllers."""

    def __init__(self, journal, backend):
        self.journal, self.backend = journal, backend

    @asynccontextmanager
    async def fleet(self, address):
        async with Fleet.connect(
            address, backend=self.backend, journal=self.journal, clock=LoopClock()
        ) as fleet:
            yield fleet

    async def change(self, decide, *args, **how):
        await self.journal.change_catalog(
            lambda catalog, _: decide(catalog, *args, actor="ada", **how)
        )

    async def point(self, version):
        await self.journal.change_catalog(
            lambda catalog, now: assign(catalog, PRODUCTION, version, now, actor="ada")
        )

    async def follow(self, *names, **how):
        following = Following(PRODUCTION, limits=LIMITS, **how)
        for name in names:
            await self.change(follow, f"memory://{name}", following)

    def follower(self):
        return Follower(self.journal, self.fleet, clock=LoopClock())

    async def runs(self):
        found = {}
        for name in NAMES:
            state = await self.backend.observe(name)
            found[name] = [group.revision.image.artifact for group in state.groups]
        return found

    @asynccontextmanager
    async def controlled(self):
        """Controllers and followers at work."""

        @asynccontextmanager
        async def connect(_):
            yield self.backend

        worker = Controller(self.journal, connect=connect, clock=LoopClock())
        tasks = [
            asyncio.ensure_future(each)
            for each in (worker.run(), self.follower().run(), self.follower().run())
        ]
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def rollouts(self, name="a"):
        entries = await self.journal.entries(fleet=f"memory://{name}")
        return [each for each in entries if each.reason.startswith("follows")]

    async def offers(self):
        return (await self.journal.catalog()).offers


def play(story):
    async def main():
        clock = LoopClock()
        journal = await open_journal(":memory:", clock=clock)
        region = Region(journal, MemoryBackend(Cloud(clock)))
        async with AsyncExitStack() as stack:
            for name in NAMES:
                await stack.enter_async_context(
                    Fleet.create(
                        f"memory://{name}", "web-1", 2, limits=LIMITS, backend=region.backend,
                        journal=journal, clock=clock,
                    )
                )  # fmt: skip
            for version in "123":
                await journal.change_catalog(
                    lambda catalog, _, version=version: add(catalog, added(version))
                )
            await region.point("web:1")
            await story(region)
        await journal.close()

    run(main())


def test_a_channel_that_moves_brings_its_followers_along_and_nobody_else():
    async def story(region):
        await region.follow("a", "b", automatic=True)
        async with region.controlled():
            await asyncio.sleep(60)
            assert not await region.rollouts()  # They run what it points at.
            await region.point("web:2")
            await asyncio.sleep(900)
        assert await region.runs() == {"a": ["web-2"], "b": ["web-2"], "c": ["web-1"]}
        (rollout,) = await region.rollouts()
        assert (rollout.status, rollout.reason) == (
            Status.SUCCEEDED, f"follows {PRODUCTION}, assignment 2",
        )  # fmt: skip
        assert rollout.plan.notes[-1] == rollout.reason

    play(story)


def test_who_is_only_offered_plans_gets_one_each_time_and_nothing_is_touched():
    async def story(region):
        await region.follow("a", strategy=Rolling(probe=False))
        await region.point("web:2")
        for _ in range(3):
            await region.follower().look()
        offer = (await region.offers())["memory://a"]
        plan = load_plan(offer.plan)
        assert (plan.candidate.image.artifact, plan.strategy, offer.number) == (
            "web-2", "Rolling(probe=False)", 2,
        )  # fmt: skip
        records = [each.record for each in await region.journal.events("catalog")]
        assert [type(each).__name__ for each in records].count("PlanOffered") == 1
        assert (await region.runs())["a"] == ["web-1"]
        await region.point("web:3")
        await region.follower().look()
        assert (
            load_plan((await region.offers())["memory://a"].plan).candidate.image.artifact
            == "web-3"
        )
        async with region.fleet("memory://a") as fleet:
            offered = load_plan((await region.offers())["memory://a"].plan)
            assert (await fleet.apply(offered)).status is Status.SUCCEEDED
        await region.follower().look()
        assert (await region.offers())["memory://a"].number == 3

    play(story)


def test_what_did_not_work_out_is_not_tried_again_before_the_channel_moves():
    async def story(region):
        region.backend.cloud.behaviours["web-2"] = Behaviour(ready=False)
        await region.follow("a", automatic=True)
        async with region.controlled():
            await region.point("web:2")
            await asyncio.sleep(4_000)
            assert [each.status for each in await region.rollouts()] == [Status.ROLLED_BACK]
            await region.point("web:3")
            await asyncio.sleep(900)
        assert [each.status for each in await region.rollouts()] == [
            Status.ROLLED_BACK, Status.SUCCEEDED,
        ]  # fmt: skip
        assert (await region.runs())["a"] == ["web-3"]

    play(story)


@pytest.mark.parametrize(("at_most", "most"), [(1, 1), (2, 2), ("10%", 1), ("67%", 2), ("100%", 3)])
def test_no_more_fleets_than_allowed_are_on_their_way_at_once(at_most, most):
    async def story(region):
        await region.follow(*NAMES, automatic=True, at_most=at_most)
        seen = set()
        async with region.controlled():
            await region.point("web:2")
            for _ in range(300):
                running = await region.journal.entries(unfinished=True)
                seen.add(len(running))
                await asyncio.sleep(5)
        assert max(seen) == most
        assert set(map(tuple, (await region.runs()).values())) == {("web-2",)}

    play(story)


def test_what_is_automatic_begins_in_its_window_only():
    async def story(region):
        now = datetime.fromtimestamp(LoopClock().now(), UTC)
        begins = now + timedelta(hours=2)
        window = Weekly(
            [begins.strftime("%a").lower()], begins.strftime("%H:%M"),
            (begins + timedelta(hours=1)).strftime("%H:%M"),
        )  # fmt: skip
        await region.follow("a", automatic=True, windows=[window])
        async with region.controlled():
            await region.point("web:2")
            await asyncio.sleep(3_600)
            assert not await region.rollouts()
            await asyncio.sleep(2 * 3_600)
        (rollout,) = await region.rollouts()
        assert window.holds(datetime.fromtimestamp(rollout.started_at, UTC))
        assert (await region.runs())["a"] == ["web-2"]

    play(story)


def test_what_a_policy_does_not_let_pass_is_not_followed_until_it_does():
    async def story(region):
        await region.follow("a", automatic=True)
        nobody = Policy([BuiltBy("https://nobody.example.com")])
        await region.change(set_policy, "memory://a", nobody)
        async with region.controlled():
            await region.point("web:2")
            await asyncio.sleep(300)
            assert not await region.rollouts()
            await region.change(set_policy, "memory://a", None)
            await asyncio.sleep(900)
        assert (await region.runs())["a"] == ["web-2"]

    play(story)


def test_who_follows_nothing_any_more_stays_where_it_is():
    async def story(region):
        await region.follow("a", strategy=BlueGreen(bake=10))
        await region.point("web:2")
        await region.follower().look()
        await region.change(unfollow, "memory://a")
        assert not await region.offers()
        await region.point("web:3")
        await region.follower().look()
        assert not await region.offers()

    play(story)


def test_an_image_that_was_not_made_for_a_fleets_place_moves_nobody():
    async def story(region):
        await region.follow("a", automatic=True)
        elsewhere = added("4").__class__(
            "sha256:" + "4" * 64, "web", "4", "", ("aws://x/ami-4",), "{}"
        )
        await region.journal.change_catalog(lambda catalog, _: add(catalog, elsewhere))
        await region.point("web:4")
        await region.follower().look()
        assert not await region.rollouts()

    play(story)
