"""What a revocation does in the clouds: marked, told of each, tried again, taken back."""

from __future__ import annotations

import pytest
from attrs import define, field

from immutable import Fleet, InvalidValue, PlanRefused, open_journal
from immutable.backend import Denied, ImageState, Throttled, Transient
from immutable.catalog import add, restore, revoke
from immutable.errors import CatalogRefused
from immutable.images import Outcome, restore_image, withdraw_image
from immutable.memory import Cloud, Fault, MemoryBackend, When
from immutable.model.catalog import VersionAdded, Withdrawn
from immutable.registry import _registered, register
from immutable.testing import LoopClock, run
from tests.support.cataloguing import digest_of
from tests.support.world import LIMITS

DONE, ALREADY, FAILED = Outcome.DONE, Outcome.ALREADY, Outcome.FAILED


class Marks(MemoryBackend):
    """A cloud for each region, of the test's."""

    clouds: dict[str, Cloud]
    asked: list[str]

    @classmethod
    def from_url(cls, url, *, clock):
        cls.asked.append(url.identity(*url.options))
        if url.location not in cls.clouds:
            raise InvalidValue("region", url.location, "no region", "write east or west")
        return cls(cls.clouds[url.location])


class MarksNothing(Marks):
    """A backend that can't withdraw."""

    withdraw_image = restore_image = None


@define
class Place:
    """A journal with web:1 and, on it, web:2 in two regions; who revokes, withdraws, restores."""

    journal: object
    clouds: dict[str, Cloud]
    asked: list[str] = field(factory=list)

    async def change(self, rule, reference, **how):
        def decide(catalog, now):
            more = {"now": now} if rule is revoke else {}
            return rule(catalog, reference, **more, reason="CVE-1", actor="ada", **how)

        await self.journal.change_catalog(decide)

    async def withdraw(self, reference="web:1", *, launchable=True, **how):
        found = await withdraw_image(
            self.journal, reference, launchable=launchable, actor="ada", clock=LoopClock(), **how
        )
        return {each.artifact: each.outcome for each in found}

    async def restored(self, reference="web:1"):
        found = await restore_image(self.journal, reference, actor="ada", clock=LoopClock())
        return {each.artifact: each.outcome for each in found}

    async def records(self):
        events = await self.journal.events("catalog")
        return [each.record for each in events if isinstance(each.record, Withdrawn)]


def known(version, *artifacts, parent=""):
    base = digest_of(parent) if parent else ""
    return VersionAdded(digest_of(version), "web", version, base, artifacts, "{}", actor="ada")


VERSIONS = (
    known("1", "sim://east/web-1", "sim://west/web-1"),
    known("2", "sim://east/web-2", parent="1"),
    known("3", "sim://east/web-3"),
)
ALL = ("sim://east/web-1", "sim://east/web-2", "sim://west/web-1")


def play(story, kind=Marks, versions=VERSIONS):
    before = dict(_registered)

    async def main():
        journal = await open_journal(":memory:", clock=LoopClock())
        place = Place(journal, {each: Cloud(LoopClock()) for each in ("east", "west")})
        kind.clouds, kind.asked = place.clouds, place.asked
        register("sim", kind)
        try:
            for each in versions:
                await journal.change_catalog(lambda catalog, _, each=each: add(catalog, each))
            await story(place)
        finally:
            await journal.close()

    try:
        run(main())
    finally:
        _registered.clear()
        _registered.update(before)


@pytest.mark.parametrize("launchable", [True, False])
def test_all_that_an_image_became_is_withdrawn_and_what_was_built_on_it(launchable):
    async def story(place):
        await place.change(revoke, "web:1")
        assert await place.withdraw(launchable=launchable) == dict.fromkeys(ALL, DONE)
        assert place.clouds["east"].withdrawn == {"web-1": launchable, "web-2": launchable}
        assert place.clouds["west"].withdrawn == {"web-1": launchable}
        assert await place.withdraw(launchable=launchable) == dict.fromkeys(ALL, ALREADY)
        await place.change(restore, "web:1")
        assert await place.restored() == dict.fromkeys(ALL, DONE)
        assert await place.restored() == dict.fromkeys(ALL, ALREADY)
        assert not any(cloud.withdrawn for cloud in place.clouds.values())

    play(story)


def test_what_is_not_revoked_is_not_withdrawn():
    async def story(place):
        for reference in ("web:1", digest_of("1")):
            with pytest.raises(CatalogRefused, match="revoke it first"):
                await place.withdraw(reference)
        now = LoopClock().now()
        await place.change(revoke, "web:1", at=now + 3600)
        with pytest.raises(CatalogRefused, match="not revoked"):
            await place.withdraw()
        with pytest.raises(InvalidValue, match="web:9"):
            await place.withdraw("web:9")
        assert not place.asked

    play(story)


def test_one_that_inherited_its_revocation_is_withdrawn_by_itself():
    async def story(place):
        await place.change(revoke, "web:1")
        assert await place.withdraw("web:2") == {"sim://east/web-2": DONE}

    play(story)


def test_what_is_revoked_by_something_else_stays_withdrawn():
    async def story(place):
        await place.change(revoke, "web:1")
        await place.change(revoke, "web:2")
        await place.withdraw()
        await place.change(restore, "web:1")
        left = {**dict.fromkeys(ALL, DONE), "sim://east/web-2": Outcome.REVOKED}
        assert await place.restored() == left
        assert set(place.clouds["east"].withdrawn) == {"web-2"}

    play(story)


def test_an_artifact_of_two_versions_is_restored_when_neither_is_revoked():
    shared = (known("1", "sim://east/same"), known("2", "sim://east/same"))

    async def story(place):
        await place.change(revoke, "web:1")
        await place.change(revoke, "web:2")
        await place.withdraw()
        await place.change(restore, "web:1")
        assert await place.restored() == {"sim://east/same": Outcome.REVOKED}
        await place.change(restore, "web:2")
        assert await place.restored("web:2") == {"sim://east/same": DONE}

    play(story, versions=shared)


def test_one_that_fails_hinders_no_other_and_is_tried_again():
    async def story(place):
        await place.change(revoke, "web:1")
        place.clouds["east"].faults.add(
            Fault("withdraw_image", lambda: Denied("not allowed: web-1"))
        )
        found = await place.withdraw()
        assert found == {**dict.fromkeys(ALL, DONE), "sim://east/web-1": FAILED}
        assert "web-1" not in place.clouds["east"].withdrawn
        found = await place.withdraw()
        assert found == {**dict.fromkeys(ALL, ALREADY), "sim://east/web-1": DONE}

    play(story)


def test_a_place_that_is_no_place_fails_with_the_reason():
    lost = (known("1", "sim://nowhere/web-1", "unheard-of://x/y"),)

    async def story(place):
        await place.change(revoke, "web:1")
        found = await withdraw_image(place.journal, "web:1", launchable=True, clock=LoopClock())
        reasons = {each.artifact: (each.outcome, each.reason) for each in found}
        assert reasons["sim://nowhere/web-1"][0] is FAILED
        assert "write east or west" in reasons["sim://nowhere/web-1"][1]
        assert "pip install" in reasons["unheard-of://x/y"][1]
        assert await place.withdraw(places=["sim://east?key=7"]) == {
            "sim://nowhere/web-1": DONE, "unheard-of://x/y": FAILED,
        }  # fmt: skip
        assert place.asked[-2:] == ["sim://nowhere/*?key=7", "sim://east/*?key=7"]

    play(story, versions=lost)


def test_options_of_a_place_are_those_of_all_its_backends_places_unless_one_fits():
    async def story(place):
        await place.change(revoke, "web:1")
        await place.withdraw(places=["sim://south?key=7", "sim://west?key=8"])
        assert set(place.asked) == {"sim://east/*?key=7", "sim://west/*?key=8"}

    play(story)


def test_a_backend_without_the_ability_is_told_as_one():
    async def story(place):
        await place.change(revoke, "web:1")
        assert await place.withdraw() == dict.fromkeys(ALL, Outcome.UNSUPPORTED)
        assert not place.asked

    play(story, kind=MarksNothing)


@pytest.mark.parametrize("error", [Throttled("slowly", retry_after=2), Transient("no answer")])
def test_what_passes_is_waited_for(error):
    async def story(place):
        await place.change(revoke, "web:1")
        place.clouds["west"].faults.add(Fault("withdraw_image", lambda: error, times=2))
        assert await place.withdraw() == dict.fromkeys(ALL, DONE)

    play(story)


def test_a_lost_answer_is_no_proof_that_it_was_so_before():
    async def story(place):
        await place.change(revoke, "web:1")
        place.clouds["west"].faults.add(Fault("withdraw_image", when=When.AFTER))
        assert await place.withdraw() == dict.fromkeys(ALL, DONE)

    play(story)


def test_what_was_done_is_in_the_log_and_what_was_not_is_not():
    async def story(place):
        await place.change(revoke, "web:1")
        place.clouds["east"].faults.add(Fault("withdraw_image", lambda: Denied("no: web-1")))
        await place.withdraw()
        await place.withdraw(launchable=False)
        await place.change(restore, "web:1")
        await place.restored()
        told = [(each.artifact, each.state, each.actor) for each in await place.records()]
        assert told == [
            ("sim://east/web-2", "deprecated", "ada"), ("sim://west/web-1", "deprecated", "ada"),
            *((each, "disabled", "ada") for each in ALL),
            *((each, "available", "ada") for each in ALL),
        ]  # fmt: skip

    play(story)


def test_the_cloud_itself_refuses_what_is_disabled_where_nobody_has_the_catalog():
    async def story(place):
        backend = Marks(place.clouds["east"])
        async with Fleet.create(
            "sim://east/web", "web-3", 3, limits=LIMITS, backend=backend,
            journal=":memory:", clock=LoopClock(),
        ) as web:  # fmt: skip
            await place.change(revoke, "web:1")
            plan = await web.plan("web-2", limits=LIMITS)
            await place.withdraw()
            assert (await backend.resolve("web-2")).state is ImageState.DEPRECATED
            await web.plan("web-2", limits=LIMITS)
            await place.withdraw(launchable=False)
            with pytest.raises(PlanRefused):
                await web.apply(plan)
            await place.change(restore, "web:1")
            await place.restored()
            await web.apply(plan)

    play(story)
