"""Functions that know counters, as a user would write them for the source `call`.

Stable answers 900 requests a second and the candidate, revision 2, 100; one in a hundred fails.
"""

import asyncio

from immutable.backend import Reading, Traffic


def _reading(often: int) -> Reading:
    now = int(asyncio.get_running_loop().time())
    stable = {name: Traffic(450 * now, 4 * now) for name in ("a", "b")}
    candidate = Traffic(100 * now, 100 * now // often)
    return Reading({1: stable, 2: {"c": candidate}})


async def good(fleet: str, revisions: tuple[int, ...]) -> Reading:
    assert (fleet, revisions) == ("web", (1, 2))
    return _reading(often=100)


async def bad(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return _reading(often=20)


async def silent(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return Reading({1: {"a": Traffic(100)}, 2: {}})


async def broken(fleet: str, revisions: tuple[int, ...]) -> Reading:
    raise LookupError("the warehouse is closed")


async def wordy(fleet: str, revisions: tuple[int, ...]) -> str:
    return "all is well"


async def foreign(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return Reading({"1": {}, "2": {}})  # type: ignore[dict-item]


async def upside_down(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return Reading({1: {"a": Traffic(requests=1, errors=2)}})


async def ragged(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return Reading({1: {"a": Traffic(3, 0, (1, 2))}}, (0.1, 0.5))


def plain(fleet: str, revisions: tuple[int, ...]) -> Reading:
    return Reading({})


class Counter:
    async def __call__(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        return Reading({1: {"a": Traffic(7)}})

    async def method(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        return Reading({1: {"a": Traffic(8)}})


counter = Counter()
"""What can be called needs not be a function."""
