"""Checks for tests, as a user would write them."""

import asyncio

from immutable.gates import CheckLook, Verdict


async def always(look: CheckLook) -> bool:
    return look.ready > 0


async def never(look: CheckLook) -> bool:
    return look.ready < 0


async def unsure(look: CheckLook) -> Verdict:
    return Verdict.INCONCLUSIVE


async def broken(look: CheckLook) -> bool:
    raise RuntimeError("the smoke test's server is down")


async def hangs(look: CheckLook) -> bool:
    await asyncio.sleep(1_000_000)
    return True


async def slow(look: CheckLook) -> bool:
    await asyncio.sleep(8)
    return True


async def small(look: CheckLook) -> bool:
    return look.ready < 2
