"""A revocation in the catalog, carried out on an emulated cloud and taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from immutable import open_journal
from immutable.catalog import add, restore, revoke
from immutable.images import Outcome, restore_image, withdraw_image
from immutable.model.catalog import VersionAdded


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
