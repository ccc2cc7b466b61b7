"""How long things take in the simulated cloud."""

from __future__ import annotations

from random import Random
from statistics import fmean, median

import pytest

from immutable import InvalidValue
from immutable.memory import Behaviour, Law, Laws, fixed, lognormal, vm
from tests.memory.support import BOOT, READY, STARTING, Place, virtual


def draws(law: Law, count: int = 20_000) -> list[float]:
    random = Random(7)
    return [law(random) for _ in range(count)]


def test_a_fixed_law_always_takes_as_long():
    assert set(draws(fixed(12.5), 100)) == {12.5}


@pytest.mark.parametrize(("mean", "sigma", "least"), [(90, 0.5, 35), (20, 0.9, 0), (5, 0.1, 4)])
def test_a_lognormal_law_has_its_mean_and_its_least(mean, sigma, least):
    found = draws(lognormal(mean, sigma, least))
    assert min(found) > least
    # The mean of 20,000 draws strays by sigma's part / 141: 3 % is far more than chance allows.
    assert fmean(found) == pytest.approx(mean, rel=0.03)


def test_a_larger_sigma_is_a_heavier_tail_with_the_same_mean():
    mild, heavy = draws(lognormal(60, 0.2)), draws(lognormal(60, 0.9))
    assert median(heavy) < median(mild) < 60
    assert sorted(heavy)[-200] > 2 * sorted(mild)[-200]


@pytest.mark.parametrize("mean", [35, 20, -1])
def test_a_mean_that_is_not_above_the_least_is_refused(mean):
    with pytest.raises(InvalidValue, match="not above the least, 35"):
        vm(mean)


def test_a_virtual_machine_takes_35_seconds_at_least_and_90_in_the_mean():
    found = draws(vm())
    assert min(found) >= 35
    assert fmean(found) == pytest.approx(90, rel=0.03)


@virtual
async def test_an_image_can_have_a_boot_law_of_its_own():
    place = Place(1)
    place.cloud.behaviours["v2"] = Behaviour(boot=fixed(3))
    await place.create(2)
    await place.grow(1, expected=0, number=2)
    await place.grow(2, expected=1)
    await place.at(3)
    assert [i.state for i in await place.members(number=2)] == [READY]
    assert [i.state for i in await place.members(number=1)] == [READY, STARTING]
    await place.at(BOOT)
    assert (await place.states()) == {READY: 3}


def drawn(seed: int) -> list[float]:
    @virtual
    async def boots():
        place = Place(1, laws=Laws(boot=vm()), seed=seed)
        await place.grow(6, expected=1)
        await place.at(10_000)
        found.extend(i.ready_since - i.launched_at for i in (await place.members())[1:])

    found: list[float] = []
    boots()
    return found


def test_equal_seeds_draw_equal_times_and_others_draw_others():
    assert drawn(3) == drawn(3)
    assert len(drawn(3)) == 5
    assert set(drawn(3)).isdisjoint(drawn(4))
