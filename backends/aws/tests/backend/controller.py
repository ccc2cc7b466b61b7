"""A controller as a process of its own, to be killed: it replaces ``web`` by an image."""

from __future__ import annotations

import asyncio
import sys

from backends.aws.tests.backend.account import DOUBLE, LIMITS
from backends.aws.tests.backend.author import QUICK
from immutable import BlueGreen, Canary, Fleet, Rolling
from immutable_aws import AwsBackend
from immutable_aws.address import Place

WAYS = {
    "rolling": (Rolling(), LIMITS),
    "canary": (Canary(stages=("50%", "100%"), bake=0.5), DOUBLE),
    "blue-green": (BlueGreen(bake=0.5), DOUBLE),
}


async def main(journal: str, image: str, strategy: str) -> None:
    """Run one rollout."""
    backend = AwsBackend(Place("eu-west-1"), fleet="web", capabilities=QUICK)
    await backend.open()
    way, limits = WAYS[strategy]
    async with Fleet.connect("aws://eu-west-1/web", backend=backend, journal=journal) as fleet:
        await fleet.replace(image, way, limits=limits)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
