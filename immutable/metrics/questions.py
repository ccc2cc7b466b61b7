"""The query that reads all counters of a fleet at one moment, and how its answer is understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import inf, isnan

from attrs import define, field

from immutable.errors import MetricError
from immutable.metrics.address import TAG, PrometheusAddress
from immutable.metrics.answers import Sample
from immutable.metrics.selector import Selector, quoted
from immutable.model import Reading, Traffic

__all__ = ["question", "reading"]

_Place = tuple[int, str]
"""A revision and a series of it."""


# One query, not three: what one Prometheus answers to it is of one moment, so that a scrape between
# two queries can't bring errors without their requests.
def question(address: PrometheusAddress, fleet: str, revisions: tuple[int, ...]) -> str:
    """Return the PromQL that reads every counter, told apart by the label `TAG`.

    Args:
        address: What is read.
        fleet: The fleet's name.
        revisions: The revision numbers.
    """
    of_fleet = f"{address.fleet}={quoted(fleet)}"
    of_revisions = f"{address.revision}=~{quoted('|'.join(map(str, revisions)))}"
    by = f"{address.revision}, {address.series}"

    def part(counter: str, text: str, more: str = "") -> str:
        narrowed = Selector.parse(counter, text).where(of_fleet, of_revisions)
        return _tagged(counter, f"sum by ({by}{more}) ({narrowed})")

    parts = [part("requests", address.requests), part("errors", address.errors)]
    if address.latency is not None:
        parts.append(part("latency", address.latency, ", le"))
    errors = Selector.parse("errors", address.errors)
    parts.append(_tagged("kinds", f"count({errors.any(of_fleet)})"))
    return " or ".join(parts)


def _tagged(counter: str, expression: str) -> str:
    return f'label_replace({expression}, "{TAG}", "{counter}", "", "")'


@define
class _Told:
    """What an answer holds, put in order."""

    requests: dict[_Place, int] = field(factory=dict)
    errors: dict[_Place, int] = field(factory=dict)
    latency: dict[_Place, dict[float, int]] = field(factory=dict)
    kinds: bool = False


def reading(
    address: PrometheusAddress, fleet: str, revisions: tuple[int, ...], answer: Iterable[Sample]
) -> Reading:
    """Return what *answer* says about *revisions*.

    Raises:
        MetricError: It says nothing, or what can't be; names what.
    """
    told = _told(address, revisions, answer)
    _complete(address, fleet, revisions, told)
    bounds, latency = _buckets(told.latency)
    found: dict[int, dict[str, Traffic]] = {number: {} for number in revisions}
    for place in sorted({*told.requests, *told.errors, *latency}):
        requests, errors = told.requests.get(place, 0), told.errors.get(place, 0)
        if errors > requests:
            raise MetricError(
                f"{_named(place)} has {errors} errors in {requests} requests:"
                " the selector of requests must count the failed ones too"
            )
        none = (0,) * (len(bounds) + 1) if latency else ()
        found[place[0]][place[1]] = Traffic(requests, errors, latency.get(place, none))
    return Reading(found, bounds)


def _told(
    address: PrometheusAddress, revisions: tuple[int, ...], answer: Iterable[Sample]
) -> _Told:
    told = _Told()
    for sample in answer:
        counter = sample.labels.get(TAG)
        if counter == "kinds":
            told.kinds = True
        elif counter == "latency":
            buckets = told.latency.setdefault(_place(address, revisions, sample), {})
            bound = _bound(sample)
            buckets[bound] = buckets.get(bound, 0) + sample.count
        elif counter in ("requests", "errors"):
            counts = told.requests if counter == "requests" else told.errors
            counts[_place(address, revisions, sample)] = sample.count
    return told


def _place(address: PrometheusAddress, revisions: tuple[int, ...], sample: Sample) -> _Place:
    series = sample.labels.get(address.series)
    if not series:
        raise MetricError(
            f"there are {sample.labels[TAG]} without a label {address.series}: name the label that"
            " tells one counting process from another, as series=label"
        )
    text = sample.labels.get(address.revision)
    for number in revisions:
        if str(number) == text:
            return number, series
    raise MetricError(f"answered for {address.revision} {text!r}, asked for {revisions}")


def _bound(sample: Sample) -> float:
    try:
        bound = float(sample.labels["le"])
    except (KeyError, ValueError):
        bound = float("nan")
    if isnan(bound):
        raise MetricError(
            "latency has no label le with a bound: name the _bucket series of a histogram"
        )
    return bound


def _complete(
    address: PrometheusAddress, fleet: str, revisions: tuple[int, ...], told: _Told
) -> None:
    numbers = " or ".join(map(str, revisions))
    whose = f"{address.fleet}={quoted(fleet)} and {address.revision} {numbers}"
    if not told.requests:
        raise MetricError(f"no data: no series of {address.requests} has {whose}")
    if address.latency is not None and not told.latency:
        raise MetricError(f"no data: no series of {address.latency} has {whose}")
    if not told.errors and not told.kinds:
        kind = Selector.parse("errors", address.errors).any()
        raise MetricError(
            f"no data: the fleet has no series {kind}, so nobody would see an error;"
            " correct the selector, or let servers show the counter at 0 from their start"
        )


# le 0.1, 0.5 and +Inf with 3, 7 and 8 requests: bounds (0.1, 0.5), counts (3, 4, 1).
def _buckets(
    told: Mapping[_Place, Mapping[float, int]],
) -> tuple[tuple[float, ...], dict[_Place, tuple[int, ...]]]:
    """Return the bounds that all have in common, and how many requests are between them."""
    counts: dict[_Place, tuple[int, ...]] = {}
    first: tuple[_Place, tuple[float, ...]] | None = None
    for place, buckets in sorted(told.items()):
        bounds = tuple(sorted(buckets))
        first = first or (place, bounds)
        if bounds != first[1]:
            raise MetricError(
                f"{_named(place)} has latency buckets {_listed(bounds)}, {_named(first[0])} has"
                f" {_listed(first[1])}: only equal ones can be compared"
            )
        if bounds[-1] != inf:
            raise MetricError(f"{_named(place)} has no latency bucket +Inf")
        rising = [0, *(buckets[bound] for bound in bounds)]
        counts[place] = tuple(high - low for low, high in pairwise(rising))
        if min(counts[place]) < 0:
            raise MetricError(
                f"{_named(place)} has fewer requests in a slower latency bucket than in a faster"
                " one: its histograms have different buckets, so narrow the selector to one"
            )
    return (first[1][:-1] if first else ()), counts


def _named(place: _Place) -> str:
    return f"revision {place[0]}, {place[1]}"


def _listed(bounds: tuple[float, ...]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)
