"""Secrets in files of the instance: ``file:///run/keys/db``."""

from __future__ import annotations

import os

from immutable.errors import BackendError, Denied, Gone, Invalid, Transient
from immutable.secrets.references import SecretRef
from immutable.secrets.value import Secret

__all__ = ["MOST", "FileResolver"]

MOST = 1024 * 1024
"""What a file may have at most, in bytes: the most that systemd takes for a credential."""


class FileResolver:
    """Reads files of the machine on which it runs; to the last byte, a line's end included."""

    local = True
    """Only the guest can tell what is there."""

    def check(self, ref: SecretRef) -> str:
        """Make sure that the file is there, is a file and may be read; it has no version."""
        try:
            with open(ref.path, "rb"):
                pass
        except OSError as error:
            raise _meaning(ref, error) from error
        return ""

    def resolve(self, ref: SecretRef) -> Secret:
        """Return all of the file."""
        try:
            with open(ref.path, "rb") as file:
                if os.fstat(file.fileno()).st_size > MOST:
                    raise Invalid(f"{ref}: has more than {MOST} bytes; keep less in a secret")
                return Secret(file.read(MOST))
        except OSError as error:
            raise _meaning(ref, error) from error

    def close(self) -> None:
        """Do nothing."""


def _meaning(ref: SecretRef, error: OSError) -> BackendError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Gone(f"{ref}: there is no such file")
    if isinstance(error, PermissionError):
        return Denied(f"{ref}: this user may not read it")
    if isinstance(error, IsADirectoryError):
        return Invalid(f"{ref}: is a directory; name a file")
    return Transient(f"{ref}: {error.strerror}")
