"""Measurements, each run as ``python -m benchmarks.NAME [--json]``; the last line is JSON."""
