"""Images that are taken out of use: what AWS says of them, and what fleets of them can do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from backends.aws.tests.backend.account import LIMITS
from immutable import PlanRefused, Rolling
from immutable.backend import Denied, Gone, ImageState, Invalid, Throttled, TroubleKind
from immutable_aws.withdrawing import moment
from tests.emulators.revoking import play, play_alone, revoked_and_restored
from tests.emulators.waiting import eventually


def described(account, image):
    filters = [{"Name": "image-id", "Values": [image]}]
    told = account.stage.ec2.describe_images(Filters=filters, IncludeDisabled=True)
    return told["Images"][0]


def test_the_next_minute_but_one_is_never_past_and_a_whole_one():
    wanted = datetime(2026, 11, 28, 10, 2, tzinfo=UTC)
    for second in (0, 20, 59.9):
        assert moment(datetime(2026, 11, 28, 10, 0, tzinfo=UTC).timestamp() + second) == wanted


def test_a_disabled_image_is_refused_by_aws_itself_until_it_is_restored(account):
    async def story(fleet, backend):
        image = account.images[1]
        plan = await fleet.plan(image, Rolling(), limits=LIMITS)
        assert await backend.withdraw_image(image, launchable=False)
        assert described(account, image)["State"] == "disabled"
        for reference in (image, "web-2"):
            with pytest.raises(Invalid, match="is disabled; enable it"):
                await backend.resolve(reference)
        with pytest.raises(PlanRefused, match="is disabled"):
            await fleet.apply(plan)
        assert await backend.restore_image(image)
        assert described(account, image)["State"] == "available"
        again = await fleet.plan(image, Rolling(), limits=LIMITS)
        assert again.candidate == plan.candidate

    play(account, story, 2)


def test_a_fleet_of_a_deprecated_image_heals_and_one_of_a_disabled_does_not(account):
    async def story(fleet, backend):
        image, emulator = account.images[0], account.emulator
        assert await backend.withdraw_image(image, launchable=True)
        await _one_dies(account, fleet)
        await eventually(lambda: account.serving("web"), lambda found: len(found) == 2)
        assert await backend.withdraw_image(image, launchable=False)
        before = {each["id"] for each in account.serving("web")}
        await _one_dies(account, fleet)
        state = await eventually(fleet.state, lambda found: found.groups[0].trouble is not None)
        assert state.groups[0].trouble.kind in (TroubleKind.REFUSED, TroubleKind.SHORTAGE)
        assert {each["id"] for each in account.serving("web")} < before
        with pytest.raises(PlanRefused, match="the image of the way back"):
            await fleet.plan(account.images[1], Rolling(), limits=LIMITS)
        assert await backend.restore_image(image)
        emulator.skip(seconds=600)
        await eventually(lambda: account.serving("web"), lambda found: len(found) == 2)

    play(account, story, 2)


async def _one_dies(account, fleet):
    victim = account.serving("web")[0]["id"]
    account.emulator.kill(instance=victim)
    await eventually(
        lambda: [each["id"] for each in account.serving("web")], lambda ids: victim not in ids
    )


def test_an_image_is_deprecated_once_it_is_time_and_nothing_is_done_twice(account):
    async def story(backend):
        image = account.images[1]
        assert await backend.withdraw_image(image, launchable=True)
        first = described(account, image)["DeprecationTime"]
        assert (await backend.resolve(image)).state is ImageState.AVAILABLE
        assert not await backend.withdraw_image(image, launchable=True)
        account.emulator.skip(seconds=180)
        assert (await backend.resolve(image)).state is ImageState.DEPRECATED
        assert not await backend.withdraw_image(image, launchable=True)
        assert described(account, image)["DeprecationTime"] == first
        assert await backend.restore_image(image)
        assert not described(account, image).get("DeprecationTime")
        assert not await backend.restore_image(image)

    play_alone(account, story)


def test_a_deprecation_that_was_planned_for_later_is_brought_forward_and_not_taken_away(account):
    async def story(backend):
        image, ec2 = account.images[1], account.stage.ec2
        later = datetime(datetime.now(UTC).year + 2, 1, 1, tzinfo=UTC)
        ec2.enable_image_deprecation(ImageId=image, DeprecateAt=later)
        assert not await backend.restore_image(image)
        assert described(account, image)["DeprecationTime"].startswith(str(later.year))
        assert await backend.withdraw_image(image, launchable=True)
        assert not described(account, image)["DeprecationTime"].startswith(str(later.year))

    play_alone(account, story)


def test_what_can_not_be_withdrawn_says_why(account):
    async def story(backend):
        image = account.images[1]
        with pytest.raises(Gone, match="ami-0123456789abcdef0"):
            await backend.withdraw_image("ami-0123456789abcdef0", launchable=True)
        with pytest.raises(Invalid, match="is no AMI's id"):
            await backend.restore_image("web-2")
        account.emulator.image(id=image, state="pending")
        with pytest.raises(Invalid, match="is pending"):
            await backend.withdraw_image(image, launchable=False)
        account.emulator.image(id=image, state="available", owner_id="999999999999")
        with pytest.raises(Denied, match="Not authorized"):
            await backend.withdraw_image(image, launchable=False)

    play_alone(account, story)


def test_nothing_is_said_to_be_undone_that_was_begun(account):
    async def story(backend):
        image, emulator = account.images[1], account.emulator
        emulator.fault(action="ec2:DisableImage", kind="throttle", times=1)
        with pytest.raises(Throttled):
            await backend.withdraw_image(image, launchable=False)
        assert await backend.withdraw_image(image, launchable=True)
        assert await backend.withdraw_image(image, launchable=False)
        emulator.fault(action="ec2:EnableImage", kind="throttle", times=1)
        with pytest.raises(Exception, match="cut off"):
            await backend.restore_image(image)
        assert await backend.restore_image(image)
        assert (await backend.resolve(image)).state is ImageState.AVAILABLE

    play_alone(account, story)


def test_a_revocation_in_the_catalog_reaches_aws_and_is_taken_back(account):
    artifacts = [f"aws://eu-west-1/{each}" for each in account.images]
    place = f"aws://eu-west-1?endpoint={account.emulator.url}"

    def look():
        return {described(account, each)["State"] for each in account.images}

    seen = asyncio.run(revoked_and_restored(artifacts, place, launchable=False, look=look))
    assert seen == ({"disabled"}, {"available"})
