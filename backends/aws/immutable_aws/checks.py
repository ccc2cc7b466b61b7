"""Which members pass EC2's status checks, asked no more often than is needed.

Auto Scaling watches these too, but says nothing of them in a grace period. EC2 makes them each
minute (EC2 User Guide, "Status checks for Amazon EC2 instances").
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from math import inf

from immutable_aws.asking import passing
from immutable_aws.calls import Calls

__all__ = ["Checks"]


class Checks:
    """The status checks of a fleet's members, as they were told last.

    Args:
        calls: The door to AWS.
        age: Seconds that what was told of a member who passed may be old.
    """

    def __init__(self, calls: Calls, age: float) -> None:
        self._calls = calls
        self._age = age
        self._passed: set[str] = set()
        self._at = -inf

    async def passed(self, members: Collection[str]) -> set[str]:
        """Return which of *members* pass both; all are asked about while one isn't known to."""
        now = asyncio.get_running_loop().time()
        if now - self._at > self._age or not self._passed.issuperset(members):
            self._passed, self._at = await passing(self._calls, list(members)), now
        return self._passed
