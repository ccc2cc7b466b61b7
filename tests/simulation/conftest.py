"""A fleet to rehearse on: twelve servers in three zones, asked a hundred times a second."""

from __future__ import annotations

import pytest
from attrs import evolve

from immutable import Limits, Rolling
from immutable.memory import Laws, fixed
from immutable.testing import run
from tests.support.world import world

LIMITS = Limits(max_surge=3, min_ready=5, boot_timeout=120, drain_timeout=30)
LAWS = Laws(fixed(20), fixed(5), fixed(5))


@pytest.fixture
def rehearse():
    """Rehearse on a fresh fleet, in this process."""

    def go(strategy=None, image="v2", *, size=12, limits=LIMITS, before=None, **how):
        if limits is LIMITS and strategy is not None and not isinstance(strategy, Rolling):
            limits = evolve(LIMITS, max_surge="100%")

        async def main():
            async with world(size, laws=LAWS) as w:
                if before is not None:
                    await before(w)
                how.setdefault("workers", 0)
                how.setdefault("trials", 5)
                how.setdefault("traffic", 100.0)
                return await w.fleet.rehearse(image, strategy or Rolling(), limits=limits, **how)

        return run(main())

    return go
