"""A controller as a process of its own, to be killed: it replaces ``web`` by an image."""

from __future__ import annotations

import asyncio
import os
import sys

from attrs import evolve

from backends.azure.tests.backend.account import LIMITS
from backends.azure.tests.backend.author import QUICK
from backends.azure.tests.emulator.client import StaticCredential
from immutable import Fleet, Rolling
from immutable_azure import AzureBackend


async def main(address: str, journal: str, image: str) -> None:
    """Run one rollout."""
    subscription, place, _ = address.removeprefix("azure://").split("/")
    backend = AzureBackend(
        subscription,
        place,
        credential=StaticCredential(os.environ["AZURE_TEST_TOKEN"]),
        endpoint=os.environ["AZURE_TEST_ENDPOINT"],
        ca_bundle=os.environ["AZURE_TEST_CA"],
        capabilities=evolve(QUICK, poll=float(os.environ.get("AZURE_TEST_POLL", QUICK.poll))),
        interval=0.02,
    )
    await backend.open()
    async with Fleet.connect(address, backend=backend, journal=journal) as fleet:
        await fleet.replace(image, Rolling(), limits=LIMITS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
