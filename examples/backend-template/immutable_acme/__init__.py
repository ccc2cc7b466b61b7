"""Fleets on Acme."""

from immutable_acme.backend import AcmeBackend

__all__ = ["AcmeBackend"]
