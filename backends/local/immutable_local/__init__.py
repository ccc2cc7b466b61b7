"""Fleets of real processes on one machine, behind a real load balancer."""

from immutable_local.backend import LocalBackend

__all__ = ["LocalBackend"]
