"""What would stop a plan is found beforehand, all at once, and nothing is changed by that."""

from __future__ import annotations

import asyncio

import pytest

from backends.azure.tests.backend.account import LIMITS
from immutable import PlanRefused, Rolling
from immutable.errors import Invalid
from immutable_azure.hands import Hands
from immutable_azure.marks import LAST


def refusal(account, *, image=None):
    """Return why a rollout of the adopted fleet is refused; empty when it isn't."""

    async def go():
        async with account.fleet() as fleet:
            before = account.everything()
            try:
                await fleet.plan(image or account.images[1], Rolling(), limits=LIMITS)
            except PlanRefused as error:
                return str(error)
            finally:
                assert account.everything() == before
            return ""

    return asyncio.run(go())


def test_a_sound_plan_has_no_problem(account):
    account.group(2)
    assert refusal(account) == ""


def test_all_problems_are_told_at_once(account):
    account.group(2, identity={"type": "SystemAssigned"})
    account.emulator.quota(name="cores", limit=4)
    account.emulator.restrict(size="Standard_B2s", zone="2")
    account.emulator.deny(actions=["Microsoft.Compute/virtualMachineScaleSets/delete"])
    elsewhere = account.stage.image("3.0.0", regions=("northeurope",))
    told = refusal(account, image=elsewhere)
    for words in (
        "system-assigned identity",
        "quota cores",
        "zone 2",
        "not permitted in rg: Microsoft.Compute/virtualMachineScaleSets/delete",
        "not replicated to westeurope",
    ):
        assert words in told


def test_a_set_that_nobody_watches_is_refused(account):

    account.stage.group("web", 1, account.images[0], health=None)
    assert "nobody can tell whether a member serves" in refusal(account)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"upgradePolicy": {"mode": "Automatic"}}, "upgrade policy is Automatic"),
        ({"image": "latest"}, "one exact version"),
    ],
)
def test_what_cannot_be_adopted_says_why(account, fields, words):
    image = account.images[0]
    if fields.pop("image", ""):
        image = image.rsplit("/versions/", 1)[0]
    account.stage.group("web", 1, image, pools=account.pools, **fields)

    async def go():
        async with account.fleet():
            raise AssertionError("it was adopted")

    with pytest.raises(Invalid, match=words):
        asyncio.run(go())


def test_adopting_again_changes_what_becomes_of_a_set_and_nothing_else(account):
    account.group(1)

    async def go():
        async with account.fleet() as fleet:
            backend = fleet.backend
            group = await backend._eyes.named("web")
            await Hands(backend.calls, backend._eyes).tag(group, {**group.tags, LAST: "5/r-1"})
            before = (await backend._eyes.named("web")).tags
            await backend.adopt_fleet("web", delete_when_replaced=True)
            return before, (await backend._eyes.named("web")).tags

    before, after = asyncio.run(go())
    assert after == {**before, "immutable:origin": "adopted-delete"}
    assert before[LAST] == "5/r-1"


def test_without_the_extension_the_probe_says_who_serves(account):
    account.group(2, health=None, automaticRepairsPolicy={"enabled": False})

    async def go():
        async with account.fleet() as fleet:
            before = await fleet.state()
            one, *_ = account.emulator.members(group="web")
            account.emulator.sicken(machine=one["name"])
            await asyncio.sleep(0.3)
            return before, await fleet.state()

    before, after = asyncio.run(go())
    assert [each.state.value for each in before.instances] == ["ready", "ready"]
    assert sorted(each.state.value for each in after.instances) == ["ready", "unready"]
