"""The metric sources that come with the SDK: Prometheus, and a function of yours.

An ``Analysis`` names one, with its own address after a colon: ``docs/metrics.md`` tells how. Others
are distributions of their own, found by entry point in ``immutable.metrics``.
"""

from immutable.metrics.address import PrometheusAddress

__all__ = ["PrometheusAddress"]
