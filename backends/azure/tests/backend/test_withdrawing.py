"""Gallery versions taken out of use: what Azure shows of them, and what sets of them can do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from immutable.backend import Denied, FleetURL, Gone, ImageState, Invalid, SystemClock, Throttled
from immutable_azure import AzureBackend
from immutable_azure.clients import Clients
from immutable_azure.permissions import WITHDRAWING
from immutable_azure.withdrawing import WITHDRAWN
from tests.emulators.revoking import play_alone, revoked_and_restored


def shown(account, image):
    return account.emulator.arm("GET", image)


def profile(account, image):
    found = shown(account, image)["properties"]["publishingProfile"]
    return bool(found.get("excludeFromLatest")), found.get("endOfLifeDate")


def test_a_withdrawn_version_is_not_the_latest_until_it_is_restored(account):
    async def story(backend):
        image = account.images[1]
        latest = await backend.resolve("gallery/web/latest")
        assert (latest.artifact, latest.state) == (image, ImageState.AVAILABLE)
        assert await backend.withdraw_image(image, launchable=True)
        excluded, end = profile(account, image)
        assert excluded
        assert datetime.fromisoformat(end) <= datetime.now(UTC) + timedelta(minutes=1)
        assert not await backend.withdraw_image(image, launchable=True)
        assert (await backend.resolve("gallery/web/latest")).artifact == account.images[0]
        assert (await backend.resolve(image)).state is ImageState.DEPRECATED
        assert await backend.restore_image(image)
        assert profile(account, image) == (False, None)
        assert not await backend.restore_image(image)
        assert (await backend.resolve("gallery/web/latest")).artifact == image

    play_alone(account, story)


@pytest.mark.parametrize("before", [(True, None), (False, "2100-01-01T00:00:00Z")])
def test_a_version_is_restored_as_it_was_and_nothing_else_of_it_changes(account, before):
    async def story(backend):
        image = account.images[1]
        told = shown(account, image)
        fields = {"excludeFromLatest": before[0], "replicaCount": 3}
        if before[1]:
            fields["endOfLifeDate"] = before[1]
        properties = told["properties"] | {
            "publishingProfile": told["properties"]["publishingProfile"] | fields
        }
        account.stage.put(image, tags={"team": "shop"}, properties=properties)
        whole = shown(account, image)
        assert not await backend.restore_image(image)
        assert await backend.withdraw_image(image, launchable=True)
        assert profile(account, image)[0]
        assert set(shown(account, image)["tags"]) == {"team", WITHDRAWN}
        assert await backend.restore_image(image)
        assert shown(account, image) == whole

    play_alone(account, story)


def test_a_withdrawal_that_somebody_half_undid_is_made_whole(account):
    async def story(backend):
        image = account.images[1]
        assert await backend.withdraw_image(image, launchable=True)
        told = shown(account, image)
        del told["properties"]["publishingProfile"]["excludeFromLatest"]
        account.stage.put(image, tags=told["tags"], properties=told["properties"])
        assert await backend.withdraw_image(image, launchable=True)
        assert profile(account, image)[0]
        assert await backend.restore_image(image)
        assert profile(account, image) == (False, None)

    play_alone(account, story)


def test_what_can_not_be_withdrawn_says_why_and_what_can_be_done(account):
    async def story(backend):
        image = account.images[1]
        managed = account.stage.id("Microsoft.Compute", "images", "old")
        for wrong in (managed, "Canonical:ubuntu:server:1.0.0", image.replace("2.0.0", "latest")):
            for call in (
                backend.restore_image,
                lambda a: backend.withdraw_image(a, launchable=True),
            ):
                with pytest.raises(Invalid, match="only exact versions of a gallery"):
                    await call(wrong)
        with pytest.raises(Invalid, match="delete it when no set has it"):
            await backend.withdraw_image(image, launchable=False)
        with pytest.raises(Gone):
            await backend.restore_image(image.replace("2.0.0", "9.9.9"))
        with pytest.raises(Invalid, match="another subscription"):
            await backend.restore_image(image.replace(account.emulator.subscription, "x"))
        account.emulator.fault(
            action="compute:gallery_image_versions.create_or_update", kind="throttle", times=1
        )
        with pytest.raises(Throttled):
            await backend.withdraw_image(image, launchable=True)
        account.emulator.deny(actions=[WITHDRAWING[1]])
        with pytest.raises(Denied):
            await backend.withdraw_image(image, launchable=True)
        assert profile(account, image) == (False, None)

    play_alone(account, story)


def test_all_sets_of_a_resource_group_have_an_address():
    url = FleetURL.parse("azure://00000000-0000-0000-0000-000000000001/rg/*")
    assert AzureBackend.from_url(url, clock=SystemClock()).place.group == "rg"


def test_a_revocation_in_the_catalog_reaches_azure_and_is_taken_back(account, monkeypatch):
    monkeypatch.setattr(Clients, "_usual", lambda _: account.emulator.credential())
    home = f"{account.emulator.subscription}%2F{account.stage.place}"
    artifacts = [f"azure://{home}/{each}" for each in account.images]
    options = f"endpoint={account.emulator.url}&ca_bundle={account.emulator.trusted}"
    place = f"azure://{home.replace('%2F', '/')}?{options}"

    def look():
        return {profile(account, each)[0] for each in account.images}

    seen = asyncio.run(revoked_and_restored(artifacts, place, launchable=True, look=look))
    assert seen == ({True}, {False})
