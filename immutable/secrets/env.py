"""Secrets in the environment of the instance: ``env://NAME``."""

from __future__ import annotations

import os

from immutable.errors import Gone
from immutable.secrets.references import SecretRef
from immutable.secrets.value import Secret

__all__ = ["EnvResolver"]


class EnvResolver:
    """Reads environment variables of the process that asks."""

    local = True
    """Only the guest can tell what is there."""

    def check(self, ref: SecretRef) -> str:
        """Make sure that the variable is set; it has no version."""
        if ref.path not in os.environ:
            raise Gone(f"{ref}: the environment has no {ref.path}")
        return ""

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the variable's value."""
        self.check(ref)
        return Secret(os.environ[ref.path])

    def close(self) -> None:
        """Do nothing."""
