"""Checks of images that are taken out of use, and brought back."""

from __future__ import annotations

from immutable.backend import Gone, Image, Invalid, SupportsWithdrawal
from immutable.testing.check import check
from immutable.testing.checks.fleets import connected
from immutable.testing.outcome import Skipped
from immutable.testing.stage import Stage


async def _withdrawn(s: Stage, image: Image, *, launchable: bool) -> None:
    """Withdraw an image, and again: the second time nothing changes.

    Raises:
        Skipped: The cloud has no such state of an image, and says so.
    """
    assert isinstance(s.backend, SupportsWithdrawal)
    try:
        changed = await s.backend.withdraw_image(image.artifact, launchable=launchable)
    except Invalid as error:
        s.must(str(error), "withdraw_image: the Invalid says nothing")
        raise Skipped(f"launchable={launchable} is Invalid here: {error}") from error
    s.must(changed, f"withdrawing {image.artifact}: told that nothing has changed")
    again = await s.backend.withdraw_image(image.artifact, launchable=launchable)
    s.same(again, False, f"withdrawing {image.artifact} again")


async def _restored(s: Stage, image: Image) -> None:
    """Restore an image, and again: the second time nothing changes."""
    assert isinstance(s.backend, SupportsWithdrawal)
    s.must(
        await s.backend.restore_image(image.artifact),
        f"restoring {image.artifact}: told that nothing has changed",
    )
    s.same(await s.backend.restore_image(image.artifact), False, "restoring it again")
    s.same(await s.backend.resolve(image.artifact), image, "the image when it is restored")


@check("S4", size=1, needs=(SupportsWithdrawal,))
async def a_deprecated_image_is_still_launched(s: Stage) -> None:
    """Members stay, and the group that has it grows."""
    before = {each.id for each in await s.ready(1)}
    image = await s.backend.resolve(s.author.images[0])
    await _withdrawn(s, image, launchable=True)
    await s.spared(before)
    s.same(await s.backend.resolve(image.artifact), image, "the image when it is deprecated")
    await s.grow(2, expected=1)
    await s.ready(2)
    await _restored(s, image)


@check("S4", "F1", "F4", size=1, needs=(SupportsWithdrawal,), uses=("url",))
async def a_forbidden_image_is_refused(s: Stage) -> None:
    """It can't be named, a plan for it has a problem, and asking for less changes nothing."""
    assert isinstance(s.backend, SupportsWithdrawal)
    image = await s.backend.resolve(s.author.images[1])
    async with connected(s) as fleet:
        plan = await fleet.plan(image)
    before = {each.id for each in await s.ready(1)}
    await _withdrawn(s, image, launchable=False)
    what = "resolving an image that is not to be launched"
    for _ in range(2):
        await s.refused(s.backend.resolve(image.artifact), Invalid, what)
        problems = await s.backend.preflight(s.fleet, plan)
        s.must(problems, "a plan for an image that is not to be launched has no problem")
        less = await s.backend.withdraw_image(image.artifact, launchable=True)
        s.same(less, False, "withdrawing it with launchable=True")
    await s.spared(before)
    await _restored(s, image)
    s.same(tuple(await s.backend.preflight(s.fleet, plan)), (), "the problems when it is restored")


@check("S4", "E5", size=None, needs=(SupportsWithdrawal,))
async def what_is_not_there_is_not_withdrawn(s: Stage) -> None:
    """Gone or Invalid, and says what isn't there."""
    assert isinstance(s.backend, SupportsWithdrawal)
    missing = s.author.missing
    for what, call in (
        ("withdrawing", s.backend.withdraw_image(missing, launchable=True)),
        ("restoring", s.backend.restore_image(missing)),
    ):
        try:
            answer = await call
        except (Gone, Invalid) as error:
            s.must(str(error), f"{what} {missing}: the error says nothing")
        else:
            s.must(False, f"{what} {missing}: answered {answer}")
