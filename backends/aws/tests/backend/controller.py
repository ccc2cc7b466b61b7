"""A controller as a process of its own, to be killed: it replaces ``web`` by an image."""

from __future__ import annotations

import asyncio
import sys

from backends.aws.tests.backend.account import DOUBLE, LIMITS
from backends.aws.tests.backend.author import QUICK
from immutable import BlueGreen, Fleet, Rolling
from immutable_aws import AwsBackend
from immutable_aws.address import Place


async def main(journal: str, image: str, strategy: str) -> None:
    """Run one rollout."""
    backend = AwsBackend(Place("eu-west-1"), fleet="web", capabilities=QUICK)
    await backend.open()
    switched = strategy == "blue-green"
    way, limits = (BlueGreen(bake=0.5), DOUBLE) if switched else (Rolling(), LIMITS)
    async with Fleet.connect("aws://eu-west-1/web", backend=backend, journal=journal) as fleet:
        await fleet.replace(image, way, limits=limits)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
