"""Measurements, each run as ``python -m benchmarks.NAME [--quick] [--json]``.

The last line is JSON; the exit status is 1 if something that is required doesn't hold.
"""
