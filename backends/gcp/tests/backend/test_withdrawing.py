"""Images taken out of use: what Google shows of them, and what fleets that run them can do."""

from __future__ import annotations

import asyncio

import pytest

from backends.gcp.tests.backend.account import LIMITS
from immutable import PlanRefused, Rolling
from immutable.backend import Denied, Gone, ImageState, Invalid, Throttled
from immutable_gcp import GcpBackend
from tests.emulators.revoking import play, play_alone, revoked_and_restored
from tests.emulators.waiting import eventually


def state(account, image):
    images = account.emulator.client("images")
    return images.get(project="acme", image=image.rpartition("/")[2]).deprecated


async def one_dies(account):
    victim = account.serving("web")[0]["id"]
    account.emulator.kill(instance=victim)
    await eventually(
        lambda: [each["id"] for each in account.serving("web")], lambda ids: victim not in ids
    )


def test_an_obsolete_image_is_refused_by_google_itself_until_it_is_restored(account):
    async def story(fleet, backend):
        image = account.images[1]
        plan = await fleet.plan(image, Rolling(), limits=LIMITS)
        assert await backend.withdraw_image(image, launchable=False)
        assert state(account, image).state == "OBSOLETE"
        for reference in (image, "web-2"):
            with pytest.raises(Invalid, match="OBSOLETE"):
                await backend.resolve(reference)
        with pytest.raises(PlanRefused, match="OBSOLETE"):
            await fleet.apply(plan)
        assert not await backend.withdraw_image(image, launchable=True)
        assert await backend.restore_image(image)
        assert state(account, image).state == ""
        again = await fleet.plan(image, Rolling(), limits=LIMITS)
        assert again.candidate == plan.candidate

    play(account, story, 3)


def test_a_fleet_of_a_deprecated_image_heals_and_one_of_an_obsolete_does_not(account):
    async def story(fleet, backend):
        image = account.images[0]
        assert await backend.withdraw_image(image, launchable=True)
        assert (await backend.resolve(image)).state is ImageState.DEPRECATED
        await one_dies(account)
        await eventually(lambda: account.serving("web"), lambda found: len(found) == 3)
        assert await backend.withdraw_image(image, launchable=False)
        await one_dies(account)
        await eventually(fleet.state, lambda found: found.groups[0].trouble is not None)
        assert len(account.serving("web")) == 2
        with pytest.raises(PlanRefused, match="the image of the way back"):
            await fleet.plan(account.images[1], Rolling(), limits=LIMITS)
        assert await backend.restore_image(image)
        await eventually(lambda: account.serving("web"), lambda found: len(found) == 3)

    play(account, story, 3)


def test_what_its_owner_has_written_beside_the_state_stays(account):
    async def story(backend):
        images, image = account.emulator.client("images"), account.images[1]
        better = f"https://www.googleapis.com/compute/v1/{account.images[0]}"
        status = {"state": "DEPRECATED", "replacement": better}
        account.stage.done(
            images.deprecate_unary(
                project="acme", image="web-2", deprecation_status_resource=status
            )
        )
        assert not await backend.withdraw_image(image, launchable=True)
        assert await backend.withdraw_image(image, launchable=False)
        assert state(account, image).replacement == better
        assert await backend.restore_image(image)
        assert state(account, image).replacement == ""

    play_alone(account, story)


def test_a_family_passes_over_a_deprecated_image(account):
    async def story(backend):
        old, new = (account.stage.image(each, family="shop") for each in ("shop-1", "shop-2"))
        assert (await backend.resolve("family/shop")).artifact == new
        assert await backend.withdraw_image(new, launchable=True)
        assert (await backend.resolve("family/shop")).artifact == old

    play_alone(account, story)


def test_a_deprecation_that_google_keeps_is_not_told_as_taken_back(account):
    async def story(backend):
        image = account.images[1]
        assert not await backend.restore_image(image)
        await backend.withdraw_image(image, launchable=True)
        account.emulator.laws(undeprecates=False)
        with pytest.raises(Invalid, match="still DEPRECATED"):
            await backend.restore_image(image)

    play_alone(account, story)


def test_what_can_not_be_withdrawn_says_why(account):
    async def story(backend):
        image, emulator = account.images[1], account.emulator
        for wrong in ("family/shop", "no image at all"):
            with pytest.raises(Invalid, match="names no single image"):
                await backend.withdraw_image(wrong, launchable=True)
        with pytest.raises(Gone):
            await backend.restore_image("projects/acme/global/images/77")
        emulator.fault(action="images.deprecate", kind="throttle", times=1)
        with pytest.raises(Throttled):
            await backend.withdraw_image(image, launchable=True)
        assert state(account, image).state == ""
        emulator.deny(permissions=["compute.images.deprecate"])
        with pytest.raises(Denied, match=r"compute\.images\.deprecate"):
            await backend.withdraw_image(image, launchable=True)

    play_alone(account, story)


def test_an_image_of_another_project_is_withdrawn_there(account):
    async def go():
        backend = GcpBackend(
            "elsewhere", account.location, api_endpoint=account.emulator.url, anonymous=True
        )
        assert await backend.withdraw_image(account.images[1], launchable=True)
        await backend.close()

    asyncio.run(go())
    assert state(account, account.images[1]).state == "DEPRECATED"


def test_a_revocation_in_the_catalog_reaches_google_and_is_taken_back(account):
    artifacts = [f"gcp://acme%2F{account.location}/{each}" for each in account.images]
    place = f"gcp://acme/{account.location}?endpoint={account.emulator.url}&credentials=anonymous"

    def look():
        return {state(account, each).state for each in account.images}

    seen = asyncio.run(revoked_and_restored(artifacts, place, launchable=False, look=look))
    assert seen == ({"OBSOLETE"}, {""})
