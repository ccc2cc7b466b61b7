"""Drift on an emulated cloud: what has to be so on each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from immutable import Limits, Rolling
from immutable.drift import DriftVerdict
from tests.emulators.revoking import play

__all__ = ["no_alarm_around_a_rollout", "page_tells"]

OK, DRIFTED = DriftVerdict.OK, DriftVerdict.DRIFTED
PAGE = Path(__file__).parents[2] / "docs" / "drift.md"


def no_alarm_around_a_rollout(account, limits: Limits, *, age: Callable[[], object] = int) -> None:
    """Look for drift before a rollout, all the time while it goes on, and after it.

    Args:
        account: Whose.
        limits: How far the rollout may go.
        age: Lets servers become old enough to be judged, where that takes time.
    """

    async def story(fleet, _):
        age()
        looks = 0

        async def look():
            nonlocal looks
            found = await fleet.drift()
            assert not found.of(DRIFTED), str(found)
            assert not found.strays
            looks += len(found.of(OK))
            return found

        assert (await look()).verdict is OK
        driving = asyncio.ensure_future(
            fleet.replace(account.images[1], Rolling(), limits=limits).end()
        )
        while not driving.done():
            await look()
            await asyncio.sleep(0.2)
        await driving
        age()
        assert (await look()).verdict is OK
        assert looks >= 8

    play(account, story, 4)


def page_tells(cloud: str, codes: Iterable[str | None]) -> None:
    """Hold the page's table of a cloud against a matrix.

    Args:
        cloud: What the page calls it.
        codes: For each mutation, in order, under what it is found; None where it is unknown, ""
            where it can't be seen.
    """
    section = PAGE.read_text().partition(f"## What others do on {cloud}")[2]
    _, *rows = section.partition("\n| --- |")[2].partition("\n\n")[0].splitlines()
    told = [row.split("|")[2:4] for row in rows]
    due = {None: ("unknown", ""), "": ("ok", "can't be seen")}
    for (verdict, words), code in zip(told, codes, strict=True):
        expected = due.get(code, ("drifted", code))
        assert verdict.strip() == f"`{expected[0]}`"
        assert words.strip().startswith(expected[1] or "")
