"""The value of a secret, which shows itself to nobody by accident."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import NoReturn, SupportsIndex

from immutable.errors import InvalidValue

__all__ = ["HIDDEN", "Secret"]

HIDDEN = "Secret(hidden)"
"""What stands wherever a secret is shown: in a text, a log, a traceback."""


class Secret:
    """A value that nobody sees who didn't ask for it.

    Texts, logs and tracebacks show ``Secret(hidden)``, however it is formatted. It can't be pickled
    or written as JSON; a copy of it is itself. Two that hold the same are not equal: a comparison
    could be used for guessing. Only `reveal` gives the value, for the length of a ``with`` block::

        with secret.reveal() as value:
            os.write(file, value)

    Args:
        value: The value; a text is kept in UTF-8, bytes that aren't as the system gave them.

    Raises:
        InvalidValue: It is neither text nor bytes.
    """

    __slots__ = ("_copied",)

    def __init__(self, value: str | bytes | bytearray) -> None:
        kept = _bytes(value)
        kind = type(value).__name__
        # Nobody who prints this frame's variables shall find it.
        del value
        if kept is None:
            reason = f"neither text in UTF-8 nor bytes, but {kind}"
            raise InvalidValue("secret", HIDDEN, reason, "pass str or bytes")
        # In a closure, not in an attribute: what lists attributes finds none.
        self._copied: Callable[[], bytearray] = lambda: bytearray(kept)

    def reveal(self) -> AbstractContextManager[bytearray]:
        """Return a context manager that gives the value as a ``bytearray``.

        It is overwritten when the block ends, however it ends; what the block made of it is not.
        So hand it on, and keep no copy in a variable: who logs a traceback may log variables.
        """
        return _Revealed(self._copied)

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        del spec
        return HIDDEN

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret can't be pickled: it would be on a disk or a network")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret has no state that could be taken out of it")


class _Revealed:
    """The value of a secret for the length of a block."""

    __slots__ = ("_copied", "_given")

    def __init__(self, copied: Callable[[], bytearray]) -> None:
        self._copied = copied
        self._given: list[bytearray] = []

    def __enter__(self) -> bytearray:
        self._given.append(self._copied())
        return self._given[-1]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        given = self._given.pop()
        given[:] = bytes(len(given))
        # A view on it that lives on lets it be overwritten, but not shortened.
        with suppress(BufferError):
            given.clear()


def _bytes(value: object) -> bytes | None:
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return None
    return bytes(value) if isinstance(value, bytes | bytearray) else None
