"""Whole rollouts where Google is late: lists that lag, waiting that ends early, stale fingerprints.

The end is the same as always, and nothing is made twice.
"""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve

from backends.gcp.tests.backend.account import DOUBLE
from backends.gcp.tests.backend.test_faults import again as twice
from backends.gcp.tests.backend.test_faults import check_again, made
from backends.gcp.tests.backend.test_rollouts import check_moved
from immutable import BlueGreen, Rolling
from tests.emulators.adopted import replaced

STALE = {"kind": "error", "status": 412, "code": "conditionNotMet"}
WORDS = (
    "Invalid fingerprint.",
    "Supplied fingerprint does not match current metadata fingerprint.",
)
WRITTEN = ("*nstanceGroupManagers.patch", "backendServices.patch", "urlMaps.update")
"""What is changed under a fingerprint."""


def lag(account):
    """What was made is in no list for half a second, what is gone is there as long."""
    account.emulator.laws(lag=0.5)


def hurry(account):
    """To wait for an operation returns at once; operations take their time."""
    account.emulator.laws(wait=0, operation=0.25)


def outdate(account):
    """The first tries to write anything, and some later ones, come too late."""
    for action in WRITTEN:
        for skip, words in ((0, WORDS[0]), (0, WORDS[1]), (3, WORDS[0])):
            account.emulator.fault(action=action, skip=skip, message=words, **STALE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lag, marks=pytest.mark.slow),
        pytest.param(hurry, marks=pytest.mark.slow),
        outdate,
    ],
)
def test_a_canary_ends_the_same_where_google_is_late(account, how):
    account.group(4)
    result, before = twice(
        account, first=lambda: how(account), late_effect=0.8, staleness=0.8, poll=0.1
    )
    assert result.status.value == "succeeded"
    account.emulator.laws(lag=0)
    check_again(account, before, 4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_it_at_once_in_a_shared_pool(account):
    def late():
        for how in (lag, hurry, outdate):
            how(account)

    result, _, before, _ = replaced(
        account, Rolling(), size=4, first=late, late_effect=0.8, staleness=0.8, poll=0.1
    )
    assert result.status.value == "succeeded"
    fired = Counter(f["action"] for f in account.emulator.clear_faults() if f["fired"])
    assert fired.keys() == set(WRITTEN[:2])
    account.emulator.laws(lag=0)
    check_moved(account, before, account.everything(), size=4)
    assert made(account) == 4


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_servers_are_switched_at_once_by_weight(account):
    account.emulator.laws(boot=1.0)
    result, _, before, after = replaced(
        account,
        BlueGreen(bake=0.5),
        size=100,
        limits=evolve(DOUBLE, boot_timeout=120, progress_deadline=240),
        poll=1.0,
        staleness=0.5,
    )
    assert result.status.value == "succeeded"
    check_moved(account, before, after, size=100)
    assert made(account) == 100
    assert account.emulator.traffic() == {"front": {"web-r2": 1}}
    # Requests for each server that was replaced, looking included.
    assert sum(account.made.values()) / 100 <= 4, account.made
