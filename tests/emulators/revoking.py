"""Images that are withdrawn on an emulated cloud: by a backend alone, and by the catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from immutable import open_journal
from immutable.catalog import add, restore, revoke
from immutable.images import Outcome, restore_image, withdraw_image
from immutable.model.catalog import VersionAdded


def play(account, story, size):
    """Play a story of a fleet of that size, and of its backend."""

    async def go():
        account.group(size)
        async with account.fleet() as fleet:
            await story(fleet, fleet.backend)

    asyncio.run(go())


def play_alone(account, story):
    """Play a story of a backend, for which no fleet is needed."""

    async def go():
        backend = account.backend()
        await backend.open()
        try:
            await story(backend)
        finally:
            await backend.close()

    asyncio.run(go())


async def revoked_and_restored(
    artifacts: Sequence[str], place: str, *, launchable: bool, look: Callable[[], object]
) -> tuple[object, object]:
    """Revoke web:0 with all that was built on it, and restore it: what *look* saw after each.

    Args:
        artifacts: Addresses; the first is of web:0, the next of web:1, which was built on it, ….
        place: How their cloud is reached.
        launchable: As for `withdraw_image`.
        look: What is seen of the artifacts in the cloud.
    """
    journal = await open_journal(":memory:")
    parent = ""
    for number, each in enumerate(artifacts):
        digest = f"sha256:{number:064x}"
        record = VersionAdded(digest, "web", str(number), parent, (each,), "{}")
        await journal.change_catalog(lambda catalog, _, record=record: add(catalog, record))
        parent = digest
    how = {"reason": "CVE", "actor": "ada"}
    await journal.change_catalog(lambda catalog, now: revoke(catalog, "web:0", now, **how))
    told = await withdraw_image(journal, "web:0", launchable=launchable, places=[place])
    assert {each.artifact: each.outcome for each in told} == dict.fromkeys(artifacts, Outcome.DONE)
    withdrawn = look()
    await journal.change_catalog(lambda catalog, _: restore(catalog, "web:0", **how))
    told = await restore_image(journal, "web:0", places=[place])
    assert {each.artifact: each.outcome for each in told} == dict.fromkeys(artifacts, Outcome.DONE)
    await journal.close()
    return withdrawn, look()
