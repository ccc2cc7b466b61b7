"""Secrets in Google Secret Manager: ``gcp-sm://projects/PROJECT/secrets/NAME``.

Facts are those of the REST reference of Secret Manager v1: ``versions.get`` tells a version's
number and state without its value, for the alias ``latest`` too; ``versions.access`` has the value.
It is asked by the session of google-auth that metrics are read with: its own client would take
seconds to import, inside of every instance.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import Any

from immutable.backend import (
    BackendError,
    Denied,
    Gone,
    Invalid,
    Secret,
    SecretRef,
    Throttled,
    Transient,
)
from immutable_gcp.faults import without_secrets

__all__ = ["ENDPOINT", "SecretManagerResolver"]

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
"""The variable by which ``gcloud`` is told another address of Secret Manager; so are we."""
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_CONNECT, _READ = 3.0, 5.0
_MEANINGS: Mapping[str, type[BackendError]] = {
    "NOT_FOUND": Gone,
    "FAILED_PRECONDITION": Gone,
    "PERMISSION_DENIED": Denied,
    "UNAUTHENTICATED": Denied,
    "RESOURCE_EXHAUSTED": Throttled,
    "INVALID_ARGUMENT": Invalid,
}
"""By ``error.status`` ("Errors" of Google's APIs); a version that isn't enabled is a failed
precondition. All others may pass."""
_NEEDED = {
    "get": "secretmanager.versions.get, as roles/secretmanager.viewer has it",
    "access": "secretmanager.versions.access, as roles/secretmanager.secretAccessor has it",
}


class SecretManagerResolver:
    """Reads ``gcp-sm://projects/PROJECT/secrets/NAME?version=NUMBER#field``, regional ones too.

    Credentials are those of google-auth: in an instance its service account, elsewhere Application
    Default Credentials. The rights: to read, ``secretmanager.versions.access``; to check,
    ``secretmanager.versions.get``.
    """

    def __init__(self) -> None:
        self._session: Any = None

    def check(self, ref: SecretRef) -> str:
        """Return the version that *ref* stands for, from the version's description."""
        told = self._get(ref, "get", lambda answer: answer)
        state = str(told.get("state", ""))
        version = str(told.get("name", "")).rpartition("/")[2]
        if state != "ENABLED":
            way_out = "enable it" if state == "DISABLED" else "add one"
            raise Gone(f"{ref}: version {version} is {state.lower()}; {way_out}, or name another")
        return version

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the value, to the last byte."""
        secret: Secret = self._get(ref, "access", _unpacked)
        return secret

    def close(self) -> None:
        """Close connections."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _get(self, ref: SecretRef, verb: str, made: Callable[[Mapping[str, Any]], Any]) -> Any:
        """Return what *made* makes of an answer.

        Errors are raised where no frame of google-auth's hangs on to them: those have the token in
        their variables, and whoever logs a traceback may log variables.
        """
        wrong: BackendError | None = None
        try:
            answer = self._opened().get(_address(ref, verb), timeout=(_CONNECT, _READ))
            if answer.status_code == 200:
                return made(answer.json())
            wrong = _refused(ref, verb, answer.status_code, answer.text)
        except Exception as error:  # noqa: BLE001  # Of google-auth, requests, or an odd answer.
            wrong = _meaning(ref, error)
        raise wrong

    def _opened(self) -> Any:
        if self._session is None:
            import google.auth
            from google.auth.transport.requests import AuthorizedSession

            credentials, _ = google.auth.default(scopes=list(_SCOPES))
            self._session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        return self._session


def _address(ref: SecretRef, verb: str) -> str:
    """Return where a version is asked for; a regional secret is kept at an address of its own."""
    from urllib.parse import quote

    words = ref.path.split("/")
    region = words[3] if words[2] == "locations" else ""
    host = f"https://secretmanager.{region}.rep.googleapis.com"
    usual = host if region else "https://secretmanager.googleapis.com"
    base = (os.environ.get(ENDPOINT) or usual).rstrip("/")
    end = "" if verb == "get" else f":{verb}"
    return f"{base}/v1/{quote(ref.path)}/versions/{ref.version or 'latest'}{end}"


def _unpacked(answer: Mapping[str, Any]) -> Secret:
    return Secret(base64.b64decode(answer["payload"].get("data", ""), validate=True))


def _refused(ref: SecretRef, verb: str, status: int, body: str) -> BackendError:
    import json

    try:
        told = json.loads(body)["error"]
        code, said = str(told["status"]), without_secrets(str(told.get("message", "")))
    except (ValueError, KeyError, TypeError):
        # Not one of Google's: a proxy's, whose text is nobody's business.
        code, said = "", ""
    kind = _MEANINGS.get(code) or (Denied if status in (401, 403) else Transient)
    if kind is Denied:
        return Denied(f"{ref}: {code or status}: who asks needs {_NEEDED[verb]}: {said}")
    if code == "NOT_FOUND":
        return Gone(f"{ref}: Google has no such secret, or not this version of it")
    return kind(f"{ref}: {code or status}: {said}")


def _meaning(ref: SecretRef, error: Exception) -> BackendError:
    name, home = type(error).__name__, type(error).__module__
    # Their texts may quote what token servers answered: they are left out.
    passing = name == "TransportError" or getattr(error, "retryable", False)
    if home.startswith("google.auth") and not passing:
        out = "run `gcloud auth application-default login`, or give the instance a service account"
        return Denied(f"{ref}: no usable credentials ({name}); {out}")
    return Transient(f"{ref}: no answer that makes sense ({name})")
