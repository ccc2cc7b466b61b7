"""References that an instance's cloud tells it: asked of the metadata service, over HTTP.

Facts are those of "Accessing VM metadata" (Compute Engine) and "Azure Instance Metadata Service".
Both are at a link-local address, behind no proxy, and answer only who sends a header that says so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

import tenacity
from attrs import frozen

from immutable.errors import InvalidValue, Transient

__all__ = ["PREFIX", "told"]

PREFIX = "metadata://"
"""How a metadata service is named where a file could be."""

_TIMEOUT = 2.0
_HERE = "169.254.169.254"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_LARGEST = 1024 * 1024
_LATER = (408, 410, 429)


# {"immutable": {"secrets": {"DB": {"uri": "env://DB"}}}}: {"DB": "env://DB"}.
def _of_azure(text: str) -> str:
    """Return the references in user data as Azure tells it; none in what isn't ours."""
    try:
        data = json.loads(base64.b64decode(text))
        kept = data["immutable"]["secrets"]
        return json.dumps({name: each["uri"] for name, each in kept.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


@frozen
class _Service:
    """One cloud's: the variable of its SDK that names another host, the path, the header."""

    variable: str
    path: str
    header: tuple[str, str]
    references: Callable[[str], str]

    def address(self, environ: Mapping[str, str]) -> str:
        """Return where it is."""
        host = environ.get(self.variable) or _HERE
        return f"{host if '://' in host else f'http://{host}'}{self.path}"


_SERVICES: Mapping[str, _Service] = {
    "gcp": _Service(
        "GCE_METADATA_HOST",
        "/computeMetadata/v1/instance/attributes/immutable-secrets",
        ("Metadata-Flavor", "Google"),
        lambda text: text,
    ),
    "azure": _Service(
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "/metadata/instance/compute/userData?api-version=2021-01-01&format=text",
        ("Metadata", "true"),
        _of_azure,
    ),
}


def told(
    place: str, environ: Mapping[str, str], *, deadline: float, tell: Callable[[str], None]
) -> str:
    """Return the references that an instance was started with, as a JSON object; empty for none.

    A network that isn't up yet, and a service that has too much to do, are waited for.

    Args:
        place: Whose: ``metadata://gcp`` or ``metadata://azure``.
        environ: The environment.
        deadline: Seconds after which an answer is given up.
        tell: Is told once that it doesn't answer yet.

    Raises:
        InvalidValue: There is no such service.
        Transient: It didn't answer in time.
    """
    service = _SERVICES.get(place.removeprefix(PREFIX))
    if service is None:
        known = " or ".join(f"{PREFIX}{each}" for each in sorted(_SERVICES))
        raise InvalidValue("references", place, "no metadata service", f"write {known}")
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((OSError, HTTPException)),
        wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        # In earnest: no virtual clock runs inside of an instance.
        stop=tenacity.stop_before_delay(deadline),
        before_sleep=_once(lambda why: tell(f"{place}: {why}; trying again")),
        reraise=True,
    )
    try:
        text: str = again(_asked, service, environ)
    except (OSError, HTTPException) as error:
        raise Transient(f"{place} did not answer in time: {_reason(error)}") from error
    return service.references(text)


def _once(say: Callable[[str], None]) -> Callable[[tenacity.RetryCallState], None]:
    def before(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number == 1 and error is not None:
            say(_reason(error))

    return before


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _asked(service: _Service, environ: Mapping[str, str]) -> str:
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, Request, build_opener

    name, value = service.header
    request = Request(service.address(environ), headers={name: value})  # noqa: S310  # http, as it is.
    # No proxy: one would be asked for its own instance's.
    opener: Any = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return str(answer.read(_LARGEST).decode())
    except HTTPError as error:
        status = error.code
        error.close()
        if status in _LATER or status >= 500:
            raise OSError(f"answers {status}") from None
        # Whoever isn't a server of a fleet with secrets has no such attribute, or no user data.
        if status == 404:
            return ""
        raise Transient(f"the metadata service answers {status}") from None
    except UnicodeDecodeError:
        raise OSError("answers what is no text") from None
