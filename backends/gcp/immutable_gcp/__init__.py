"""Fleets on Google Compute Engine, for immutable-sdk: ``gcp://PROJECT/LOCATION/NAME``."""

from immutable_gcp.backend import GcpBackend

__all__ = ["GcpBackend"]
