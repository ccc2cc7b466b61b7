"""What went through a fleet: counters of requests, errors and latencies, by revision."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["Reading", "Traffic"]


@frozen
class Traffic:
    """Counters that only ever rise, until what counts is started again.

    Attributes:
        requests: Requests that were answered, or failed.
        errors: Those of them that failed by the server's doing: status 5xx, or no answer.
        latency: How many took how long, by the buckets of the `Reading`; empty when unknown.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()


@frozen
class Reading:
    """All counters of a fleet at one time.

    Counters are told by series, such as one for each instance, so that one that starts again or
    vanishes spoils no sum, and so that stable can be compared with itself.

    Attributes:
        revisions: For each revision number its series, by name.
        bounds: The upper bounds of the latency buckets in seconds, rising; one more bucket counts
            what took longer.
    """

    revisions: Mapping[int, Mapping[str, Traffic]]
    bounds: tuple[float, ...] = ()
