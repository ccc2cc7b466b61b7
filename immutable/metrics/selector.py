"""Which time series of Prometheus are meant: ``name{label="value"}``, read apart to add to it."""

from __future__ import annotations

import re
from typing import Self

from attrs import frozen

from immutable.errors import InvalidValue

__all__ = ["LABEL", "Matcher", "Selector", "quoted"]

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""How the name of a label is spelled."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TEXT = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
_MATCHER = re.compile(
    rf"\s*(?:(?P<label>{LABEL.pattern}|{_TEXT})\s*(?P<how>=~|!~|!=|=)\s*(?P<value>{_TEXT})"
    rf"|(?P<name>{_TEXT}))\s*(?P<end>,|$)"
)


def quoted(text: str) -> str:
    r"""Return *text* as PromQL writes it between quotes.

    >>> print(quoted('a"b'))
    "a\"b"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@frozen
class Matcher:
    """One of the conditions between a selector's braces.

    Attributes:
        text: As it is written.
        label: The label; empty for the metric's name alone, between quotes.
        how: How it is compared.
        value: The value, as it is written, without its quotes.
    """

    text: str
    label: str = ""
    how: str = "="
    value: str = ""

    @property
    def names_metric(self) -> bool:
        """Whether it says which metric is meant."""
        return self.label in ("", "__name__")

    @property
    def needs_label(self) -> bool:
        """Whether only a series that has the label can match."""
        if self.names_metric or self.how not in ("=", "=~"):
            return False
        try:
            return (
                re.fullmatch(self.value if self.how == "=~" else re.escape(self.value), "") is None
            )
        except re.error:  # Go's expressions are not quite Python's: then nothing is claimed.
            return False


@frozen
class Selector:
    """A selector of PromQL, without a range, an offset or a function.

    >>> errors = Selector.parse("errors", 'http_requests_total{status=~"5.."}')
    >>> print(errors.where('fleet="web"'))
    http_requests_total{status=~"5..",fleet="web"}
    >>> print(errors.any('fleet="web"'))
    http_requests_total{status!="",fleet="web"}

    Attributes:
        name: The metric's name; empty when it is among the matchers.
        matchers: What stands between the braces.
    """

    name: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, option: str, text: str) -> Self:
        """Return the selector that *text* writes.

        Args:
            option: What it is given as, for the error.
            text: ``name``, ``name{matchers}``, or ``{matchers}`` with a name among them.

        Raises:
            InvalidValue: It is no selector.
        """
        stripped = text.strip()
        found = _NAME.match(stripped)
        name = found.group() if found else ""
        rest = stripped[len(name) :].strip()
        braces = rest.startswith("{") and rest.endswith("}") and len(rest) > 1
        matchers = _matchers(rest[1:-1]) if braces else () if not rest else None
        if matchers is None or not (name or any(each.names_metric for each in matchers)):
            way_out = 'write a metric\'s name, or name{label="value"}: no function and no range'
            raise InvalidValue(option, text, "it selects no counters", way_out)
        return cls(name, matchers)

    def __str__(self) -> str:
        return self.where()

    def where(self, *more: str) -> str:
        """Return the selector, narrowed by *more* matchers."""
        inside = ",".join((*(each.text for each in self.matchers), *more))
        return f"{self.name}{{{inside}}}" if inside else self.name

    def any(self, *more: str) -> str:
        """Return what selects every series of this name that has the labels, whatever they say."""
        named = [each for each in self.matchers if each.names_metric]
        labels = dict.fromkeys(each.label for each in self.matchers if each.needs_label)
        return Selector(self.name, tuple(named)).where(*(f'{label}!=""' for label in labels), *more)


def _matchers(inside: str) -> tuple[Matcher, ...] | None:
    found, at = [], 0
    while inside[at:].strip():
        match = _MATCHER.match(inside, at)
        if match is None:
            return None
        text = match.group().rstrip(", \t\n").strip()
        value = match["value"] or '""'
        found.append(Matcher(text, match["label"] or "", match["how"] or "=", value[1:-1]))
        at = match.end()
    return tuple(found)
