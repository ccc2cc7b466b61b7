"""Fleets and the catalog: a channel is resolved once, and what is revoked is not launched."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from immutable import Fleet, InvalidValue, PlanRefused, RolloutFailed, Status, open_journal
from immutable.catalog import Version, add, assign, restore, revoke
from immutable.memory import Cloud, MemoryBackend
from immutable.model.catalog import VersionAdded
from immutable.model.records import Intended
from immutable.testing import LoopClock, run
from tests.support.cataloguing import PRODUCTION, added, digest_of
from tests.support.world import LIMITS, URL


@asynccontextmanager
async def opened(journal, start: str = "web-1"):
    backend = MemoryBackend(Cloud(LoopClock()))
    async with Fleet.create(
        URL, start, 3, limits=LIMITS, backend=backend, journal=journal, clock=LoopClock()
    ) as web:
        yield web


def play(story):
    """Play a story with a fleet of web:1, and a catalog of web:1, web:2 and, on it, web:3."""

    async def main():
        journal = await open_journal(":memory:", clock=LoopClock())
        for each in (added("1"), added("2"), added("3", "2")):
            await journal.change_catalog(lambda catalog, _, each=each: add(catalog, each))
        try:
            async with opened(journal) as web:
                await story(web, journal)
        finally:
            await journal.close()

    run(main())


async def point(journal, version: str) -> None:
    await journal.change_catalog(
        lambda catalog, now: assign(catalog, PRODUCTION, version, now, actor="ada")
    )


async def revoked(journal, version: str, **how) -> None:
    await journal.change_catalog(
        lambda catalog, now: revoke(catalog, version, now, reason="CVE-1", actor="ada", **how)
    )


def test_a_fleet_goes_to_what_a_channel_points_at_when_it_is_planned():
    async def story(web, journal):
        await point(journal, "web:2")
        plan = await web.plan(PRODUCTION, limits=LIMITS)
        assert plan.candidate.image.artifact == "web-2"
        assert f"{PRODUCTION} is web:2 ({digest_of('2')})" in plan.notes
        await point(journal, "web:3")
        assert (await web.apply(plan)).status is Status.SUCCEEDED
        state = await web.state()
        assert state.groups[0].revision.image.artifact == "web-2"
        assert (await web.replace(PRODUCTION, limits=LIMITS)).status is Status.SUCCEEDED
        assert (await web.state()).groups[0].revision.image.artifact == "web-3"

    play(story)


def test_a_channel_that_is_not_there_is_an_error_that_names_those_that_are():
    async def story(web, journal):
        await point(journal, "web:2")
        with pytest.raises(InvalidValue, match=f"no such channel; .*there are: {PRODUCTION}"):
            await web.plan("web@staging", limits=LIMITS)

    play(story)


def test_what_is_revoked_is_refused_when_it_is_planned_by_whatever_name():
    async def story(web, journal):
        await point(journal, "web:3")
        await revoked(journal, "web:2", force=True)
        for words in (PRODUCTION, "web-3", "web-2"):
            with pytest.raises(PlanRefused, match="is revoked: CVE-1; take another version"):
                await web.plan(words, limits=LIMITS)
        rollout = web.replace("web-3", limits=LIMITS, supersede=True)
        with pytest.raises(PlanRefused, match="web:3 is revoked"):
            await rollout
        assert (await web.state()).groups[0].revision.image.artifact == "web-1"

    play(story)


def test_what_is_revoked_after_it_was_planned_is_not_begun_until_it_is_restored():
    async def story(web, journal):
        plan = await web.plan("web-3", limits=LIMITS)
        await revoked(journal, "web:2")
        with pytest.raises(PlanRefused, match="web:3 is revoked: CVE-1"):
            await web.apply(plan)
        with pytest.raises(PlanRefused, match="web:3 is revoked: CVE-1"):
            await web.submit(plan)
        await journal.change_catalog(
            lambda catalog, _: restore(catalog, "web:2", reason="false alarm", actor="ada")
        )
        assert (await web.apply(plan)).status is Status.SUCCEEDED

    play(story)


def test_what_is_revoked_while_it_waits_for_a_controller_is_not_begun():
    async def story(web, journal):
        rollout = await web.submit(await web.plan("web-3", limits=LIMITS))
        await revoked(journal, "web:2")
        with pytest.raises(RolloutFailed, match="web:3 is revoked: CVE-1"):
            await web.recover()
        assert (await rollout.status()).status is Status.FAILED
        (group,) = (await web.state()).groups
        assert (group.revision.image.artifact, group.hold) == ("web-1", None)
        kinds = {type(event.record) for event in await journal.events(rollout.id)}
        assert Intended not in kinds

    play(story)


def test_what_waits_for_a_controller_and_is_not_revoked_is_carried_out():
    async def story(web, journal):
        await web.submit(await web.plan("web-3", limits=LIMITS))
        await revoked(journal, "web:1")
        assert (await web.recover()).status is Status.SUCCEEDED

    play(story)


def test_a_revocation_to_come_stops_nothing_until_its_time():
    async def story(web, journal):
        now = LoopClock().now()
        await revoked(journal, "web:2", at=now + 50)
        plan = await web.plan("web-2", limits=LIMITS)
        await asyncio.sleep(60)
        with pytest.raises(PlanRefused, match="web:2 is revoked"):
            await web.apply(plan)

    play(story)


def test_no_fleet_goes_back_to_what_is_revoked_and_one_that_runs_it_can_be_resized():
    async def story(web, journal):
        await web.replace("web-2", limits=LIMITS)
        await revoked(journal, "web:1")
        with pytest.raises(PlanRefused, match="web:1 is revoked"):
            await web.rollback(limits=LIMITS)
        await revoked(journal, "web:2")
        assert (await web.scale(4, limits=LIMITS)).wanted == 4

    play(story)


@pytest.mark.parametrize(
    ("location", "artifact"), [("eu-west-1", "ami-1"), ("us east/1", "ami-2"), ("elsewhere", None)]
)
def test_of_several_regions_the_fleets_own_is_taken(location, artifact):
    made = Version(
        digest_of("1"), "web", "1",
        artifacts=("aws://eu-west-1/ami-1", "aws://us%20east%2F1/ami-2", "gcp:///projects/p/7"),
    )  # fmt: skip
    if artifact is None:
        with pytest.raises(InvalidValue, match="none of it at aws://elsewhere"):
            made.artifact("aws", location)
    else:
        assert made.artifact("aws", location) == artifact
    assert made.artifact("gcp", location) == "projects/p/7"
    with pytest.raises(InvalidValue, match="none of it at azure"):
        made.artifact("azure", location)


def test_an_artifact_of_another_backend_or_of_a_like_name_is_another_image():
    async def story(web, journal):
        record = VersionAdded(
            digest_of("4"), "web", "4", "", ("other:///web-9", "memory:///a/web-9"), "{}"
        )
        await journal.change_catalog(lambda catalog, _: add(catalog, record))
        await revoked(journal, "web:4")
        await web.plan("web-9", limits=LIMITS)
        with pytest.raises(PlanRefused, match="web:4 is revoked"):
            await web.plan("a/web-9", limits=LIMITS)

    play(story)
