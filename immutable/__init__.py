"""Immutable infrastructure: servers are never patched, they are replaced."""
