"""Whether a call of the contract has changed something, and what its error may say then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from attrs import define

from immutable.errors import BackendError, Conflict, Throttled, Transient

__all__ = ["Deed"]

T = TypeVar("T")


def _never(_: Conflict) -> bool:
    return False


@define
class Deed:
    """The requests of one call that change something.

    `Throttled` and `Conflict` say that nothing happened (the contract's X2, X4). The second of two
    requests can't say so any more.

    Attributes:
        changed: Whether something has been changed, or may have been.
    """

    changed: bool = False

    async def request(self, request: Awaitable[T]) -> T:
        """Make a request that changes something, and take note of how it ended."""
        try:
            answer = await request
        except BackendError as error:
            self.changed = self.changed or isinstance(error, Transient)
            raise
        self.changed = True
        return answer

    @contextmanager
    def told_truly(self, stands: Callable[[Conflict], bool] = _never) -> Iterator[None]:
        """Around a whole call: errors that say that nothing happened are raised if that is true.

        Args:
            stands: Whether a conflict may be told all the same: because all that was changed binds
                nobody but this rollout, such as a number that was given out.

        Raises:
            Transient: Instead of `Throttled` or `Conflict`, when something was changed before.
        """
        try:
            yield
        except (Throttled, Conflict) as error:
            if not self.changed or (isinstance(error, Conflict) and stands(error)):
                raise
            raise Transient(f"cut off: {error}") from error
