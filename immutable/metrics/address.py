"""The address of the source ``prometheus``: where one is, and which of its series count."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from attrs import Attribute, field, fields, frozen

from immutable.errors import InvalidValue
from immutable.metrics.selector import LABEL, Selector

__all__ = ["TAG", "PrometheusAddress"]

TAG = "immutable_counter"
"""The label by which the parts of an answer are told apart."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_TOKEN = re.compile(r"[!-~]+")
_OPTION = re.compile(r"[a-z_]{1,20}")
_HIDDEN = "…"
"""Stands for what was given where that could be a secret."""


def _url(_: object, __: object, value: str) -> None:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # Reading it checks it.
    except ValueError:
        raise InvalidValue("url", _HIDDEN, "no URL", "write https://host:port") from None
    shown = _HIDDEN if "@" in value else value
    if "@" in parts.netloc:
        raise InvalidValue(
            "url",
            shown,
            "credentials in an address would stand in plans, journals and logs",
            "put a token into an environment variable and name it: token_env=NAME",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidValue("url", shown, "no http:// or https:// address of a Prometheus")
    if parts.query or parts.fragment or re.search(r"\s", value):
        raise InvalidValue("url", shown, "it ends with its path", "write options after one ?")


def _label(_: object, attribute: Attribute[Any], value: str) -> None:
    if not LABEL.fullmatch(value):
        raise InvalidValue(attribute.name, value, "no name of a label")


def _selector(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None:
        Selector.parse(attribute.name, value)


def _variable(_: object, __: object, value: str | None) -> None:
    # What is written here may be the token itself: it is not repeated.
    if value is not None and not _VARIABLE.fullmatch(value):
        reason = "no name of an environment variable: capital letters, digits and _"
        raise InvalidValue(
            "token_env", _HIDDEN, reason, "the token itself never stands in an address"
        )


def _seconds(_: object, __: object, value: float) -> None:
    if not 0 < value <= 30:
        raise InvalidValue("timeout", value, "above 0 and at most 30 seconds", "a gate waits 30")


@frozen
class PrometheusAddress:
    """What an analysis reads from a Prometheus; ``docs/metrics.md`` explains each part.

    >>> address = PrometheusAddress(
    ...     "https://prom.internal", "http_requests_total", 'http_requests_total{status=~"5.."}'
    ... )
    >>> print(address.source)
    prometheus:https://prom.internal?requests=http_requests_total&errors=http_requests_total{status=~"5.."}
    >>> PrometheusAddress.parse(str(address)) == address
    True

    Attributes:
        url: Where it is: ``http://`` or ``https://``, with a path if its API has one before
            ``/api/v1``.
        requests: The selector of the counter of all requests, failed ones included.
        errors: The selector of the counter of those that failed by the server's doing.
        latency: The selector of the ``_bucket`` series of a classic histogram of seconds; None
            when latency is not compared.
        fleet: The label that holds the fleet's name.
        revision: The label that holds the revision's number.
        series: The label that tells one counting process from another.
        token_env: The environment variable that holds a bearer token; None for none.
        timeout: Seconds that an answer may take.

    Raises:
        InvalidValue: A part makes no sense; says which. Never repeats what could be a secret.
    """

    url: str = field(validator=_url)
    requests: str = field(validator=_selector)
    errors: str = field(validator=_selector)
    latency: str | None = field(default=None, validator=_selector)
    fleet: str = field(default="fleet", validator=_label)
    revision: str = field(default="revision", validator=_label)
    series: str = field(default="instance", validator=_label)
    token_env: str | None = field(default=None, validator=_variable)
    timeout: float = field(default=10.0, validator=_seconds)

    def __attrs_post_init__(self) -> None:
        labels = (self.fleet, self.revision, self.series)
        if len({*labels, "le", TAG}) < 5:
            reason = f"they are three labels, none of them le or {TAG}"
            raise InvalidValue("fleet, revision, series", labels, reason)
        parts = urlsplit(self.url)
        if self.token_env and parts.scheme == "http" and not _here(parts.hostname or ""):
            reason = "over http:// everybody on the way could read the token"
            raise InvalidValue("token_env", self.token_env, reason, "use https://")

    # https://prom/x?requests=a{b="c"}&errors=d: split at the first ?, each &, each first =.
    @classmethod
    def parse(cls, address: str) -> Self:
        """Return what ``url?option=value&option=value`` says.

        In a value ``&`` is written ``%26`` and ``%`` is ``%25``; all else may stand as it is, ``+``
        included.

        Raises:
            InvalidValue: It makes no sense; says what.
        """
        url, _, query = address.partition("?")
        _url(None, None, url)
        known = {each.name: each for each in fields(cls) if each.name != "url"}
        given: dict[str, Any] = {}
        for option in filter(None, query.split("&")):
            name, _, value = option.partition("=")
            if name not in known:
                hint = f"there are {', '.join(known)}; an & inside a value is written %26"
                shown = name if _OPTION.fullmatch(name) else _HIDDEN
                raise InvalidValue("option", shown, "unknown", hint)
            if name in given:
                raise InvalidValue("option", name, "given twice", "write it once")
            given[name] = unquote(value)
        missing = [name for name in ("requests", "errors") if not given.get(name)]
        if missing:
            reason = f"{' and '.join(missing)} must say which series count"
            raise InvalidValue("url", url, reason, f"write ?{missing[0]}=metric_name")
        if "timeout" in given:
            given["timeout"] = _number(given["timeout"])
        return cls(url, **given)

    def __str__(self) -> str:
        options = [
            f"{each.name}={_escaped(str(getattr(self, each.name)))}"
            for each in fields(type(self))
            if each.name != "url" and getattr(self, each.name) != each.default
        ]
        return f"{self.url}?{'&'.join(options)}"

    @property
    def source(self) -> str:
        """The address as an ``Analysis`` takes it."""
        return f"prometheus:{self}"

    def token(self) -> str | None:
        """Return the bearer token from the environment; None when none is needed.

        Raises:
            InvalidValue: The variable isn't set, or holds no token. Never repeats it.
        """
        if self.token_env is None:
            return None
        token = os.environ.get(self.token_env, "").strip()
        if not _TOKEN.fullmatch(token):
            reason = "holds what is no token" if token else "is not set, or is empty"
            raise InvalidValue("token_env", self.token_env, f"this environment variable {reason}")
        return token


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValue("timeout", text, "no number of seconds", "write timeout=10") from None


def _here(host: str) -> bool:
    """Whether *host* is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
