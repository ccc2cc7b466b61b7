"""A controller as a process of its own, to be killed: it replaces ``web`` by an image."""

from __future__ import annotations

import asyncio
import sys

from backends.gcp.tests.backend.account import DOUBLE, LIMITS, backend_at
from immutable import BlueGreen, Fleet, Rolling


async def main(url: str, location: str, journal: str, image: str, strategy: str) -> None:
    """Run one rollout."""
    backend = backend_at(url, location)
    await backend.open()
    switched = strategy == "blue-green"
    way, limits = (BlueGreen(bake=0.5), DOUBLE) if switched else (Rolling(), LIMITS)
    address = f"gcp://acme/{location}/web"
    async with Fleet.connect(address, backend=backend, journal=journal) as fleet:
        await fleet.replace(image, way, limits=limits)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
