"""A controller as a process of its own, to be killed: it replaces a fleet by an image."""

from __future__ import annotations

import asyncio
import sys

from backends.aws.tests.backend.account import DOUBLE, LIMITS, ONE_BY_ONE
from backends.aws.tests.backend.author import QUICK
from immutable import BlueGreen, Canary, Fleet, Rolling
from immutable.volumes import Stateful
from immutable_aws import AwsBackend
from immutable_aws.address import Place

WAYS = {
    "rolling": (Rolling(), LIMITS),
    "canary": (Canary(stages=("50%", "100%"), bake=0.5), DOUBLE),
    "blue-green": (BlueGreen(bake=0.5), DOUBLE),
    "slots": (Rolling(), ONE_BY_ONE),
}


async def main(journal: str, image: str, strategy: str, name: str = "web") -> None:
    """Run one rollout; in a fleet with volumes each slot is saved."""
    backend = AwsBackend(Place("eu-west-1"), fleet=name, capabilities=QUICK)
    await backend.open()
    way, limits = WAYS[strategy]
    data = {"stateful": Stateful(snapshot=True)} if strategy == "slots" else {}
    address = f"aws://eu-west-1/{name}"
    async with Fleet.connect(address, backend=backend, journal=journal) as fleet:
        await fleet.replace(image, way, limits=limits, **data)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
