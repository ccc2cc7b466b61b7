"""Secrets in a Vault: ``vault://MOUNT/PATH``, of HashiCorp's or an OpenBao's KV engine.

Facts are those of the API references of the KV engine, versions 1 and 2, and of
``/sys/internal/ui/mounts``, by which Vault's own command tells where an engine is mounted and which
version it has. Metadata of version 2 tells versions without a value; version 1 has a list of names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from attrs import frozen

from immutable.errors import (
    BackendError,
    Denied,
    Gone,
    Invalid,
    RegistryError,
    Throttled,
    Transient,
)
from immutable.secrets.references import SecretRef
from immutable.secrets.value import Secret
from immutable.secrets.vault_login import Door, Login, door, login

__all__ = ["VaultResolver"]

_CONNECT, _READ = 3.0, 5.0
_MEANINGS: Mapping[str, type[BackendError]] = {
    "InvalidRequest": Invalid,
    "Unauthorized": Denied,
    "Forbidden": Denied,
    "InvalidPath": Gone,
    "RateLimitExceeded": Throttled,
}
"""What hvac's errors mean ("HTTP status codes" of the API); all others may pass."""


@frozen
class _Place:
    """Where a secret is: the engine's mount, the path in it, and the engine's version."""

    mount: str
    path: str
    version: int


class VaultResolver:
    """Reads ``vault://MOUNT/PATH?version=NUMBER#field``, from KV of version 1 or 2.

    Where the Vault is, and who asks it, is said by the environment: see
    `immutable.secrets.vault_login`. A secret is a JSON object; without a field all of it is
    delivered. To read it, the token needs ``read`` of ``MOUNT/data/PATH``; to check it, ``read`` of
    ``MOUNT/metadata/PATH``. Of version 1: ``read`` of ``MOUNT/PATH``; ``list`` of what is above.

    Raises:
        RegistryError: hvac isn't installed.
    """

    def __init__(self) -> None:
        if find_spec("hvac") is None:
            raise RegistryError("it needs hvac; try: pip install 'immutable-sdk[vault]'")
        self._client: Any = None
        self._borrowed = False
        self._places: dict[str, _Place] = {}

    def check(self, ref: SecretRef) -> str:
        """Return the version that *ref* stands for, from metadata; empty for KV version 1."""
        place = self._place(ref)
        if place.version == 1:
            self._check_listed(ref, place)
            return ""
        told = self._ask(
            ref,
            lambda vault: vault.secrets.kv.v2.read_secret_metadata(place.path, place.mount),
            f"read of {place.mount}/metadata/{place.path}",
        )
        versions: dict[str, dict[str, Any]] = told.get("versions") or {}
        version = ref.version or str(told.get("current_version", ""))
        if version not in versions:
            raise Gone(f"{ref}: the secret has no version {version}, or keeps it no longer")
        state = versions[version]
        if state.get("destroyed"):
            raise Gone(f"{ref}: version {version} is destroyed; write a new one, or name another")
        if _past(str(state.get("deletion_time", ""))):
            raise Gone(f"{ref}: version {version} is deleted; undelete it, or name another")
        return version

    def _check_listed(self, ref: SecretRef, place: _Place) -> None:
        if ref.version:
            raise _unversioned(ref)
        above, _, name = place.path.rpartition("/")
        told = self._ask(
            ref,
            lambda vault: vault.secrets.kv.v1.list_secrets(above, place.mount),
            f"list of {place.mount}/{above}",
        )
        if name not in (told.get("keys") or ()):
            raise Gone(f"{ref}: the Vault has no such secret")

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the secret: the JSON object that it is."""
        place = self._place(ref)
        needed = f"read of {place.mount}/{'data/' if place.version == 2 else ''}{place.path}"
        if place.version == 1:
            if ref.version:
                raise _unversioned(ref)
            kept = self._ask(
                ref,
                lambda vault: _sealed(
                    vault.secrets.kv.v1.read_secret(place.path, place.mount)["data"]
                ),
                needed,
            )
        else:
            pin = int(ref.version) if ref.version else None
            kept = self._ask(
                ref,
                lambda vault: _sealed(
                    vault.secrets.kv.v2.read_secret_version(
                        place.path, pin, place.mount, raise_on_deleted_version=True
                    )["data"]["data"]
                ),
                needed,
            )
        found: Secret = kept["sealed"]
        return found

    def close(self) -> None:
        """Close connections, and give back a token that was got by logging in."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._borrowed:
            # It ends by itself, too.
            with suppress(Exception):
                client.auth.token.revoke_self()
        client.adapter.close()

    # -- asking --------------------------------------------------------------------------------

    def _place(self, ref: SecretRef) -> _Place:
        if any(part in (".", "..") for part in ref.path.split("/")):
            raise Invalid(f"{ref}: a path has no . and no .. in it")
        if ref.path not in self._places:
            needed = f"any right to {ref.path}, without which its engine can't be told"
            told = self._ask(
                ref,
                lambda vault: vault.adapter.get(f"/v1/sys/internal/ui/mounts/{_quoted(ref.path)}"),
                needed,
            )
            self._places[ref.path] = _placed(ref, told)
        return self._places[ref.path]

    def _ask(
        self, ref: SecretRef, question: Callable[[Any], Any], needed: str
    ) -> Mapping[str, Any]:
        """Return the data of an answer.

        Errors are raised where no frame of the client's hangs on to them: those have the token in
        their variables, and whoever logs a traceback may log variables.
        """
        wrong: BackendError | None = None
        try:
            if self._client is None:
                self._open()
            answer = question(self._client)
            if isinstance(answer, Mapping) and isinstance(answer.get("data"), Mapping):
                data: Mapping[str, Any] = answer["data"]
                return data
            wrong = Transient(f"{ref}: the Vault's answer makes no sense")
        except BackendError as error:
            wrong = type(error)(f"{ref}: {error}")
        except Exception as error:  # noqa: BLE001  # Of hvac, requests, or an unreadable answer.
            wrong = _meaning(error, ref, needed)
        raise wrong

    def _open(self) -> None:
        environ = dict(os.environ)
        who = login(environ)
        client = _connected(door(environ))
        try:
            _log_in(client, who)
        except BackendError:
            client.adapter.close()
            raise
        self._client, self._borrowed = client, who.method in ("approle", "kubernetes")


def _connected(where: Door) -> Any:
    import hvac

    return hvac.Client(
        url=where.address, token="", namespace=where.namespace or None, verify=where.verify,
        cert=where.certificate, timeout=(_CONNECT, _READ),
    )  # fmt: skip


def _log_in(client: Any, who: Login) -> None:
    """Make the client one of *who*.

    Raises:
        Denied: The Vault doesn't let *who* in.
        Transient: Nobody answers.
    """
    wrong: BackendError | None = None
    try:
        if who.method == "token":
            client.token = who.credential
        elif who.method == "approle":
            client.auth.approle.login(who.role, who.credential, mount_point=who.mount)
        elif who.method == "kubernetes":
            client.auth.kubernetes.login(who.role, who.credential, mount_point=who.mount)
    except Exception as error:  # noqa: BLE001  # As in `_ask`.
        kind = _MEANINGS.get(type(error).__name__, Transient)
        # 400 says that the role or its secret is wrong, 404 that there is no such method.
        kind = Denied if kind in (Invalid, Gone) else kind
        wrong = kind(f"no login by {who.method} at auth/{who.mount} ({_said(error)})")
    if wrong is not None:
        raise wrong


def _placed(ref: SecretRef, told: Mapping[str, Any]) -> _Place:
    mount = str(told.get("path", "")).strip("/")
    if told.get("type") not in ("kv", "generic") or not ref.path.startswith(f"{mount}/"):
        raise Invalid(f"{ref}: what is mounted there is no KV engine")
    version = (told.get("options") or {}).get("version") or "1"
    return _Place(mount, ref.path.removeprefix(f"{mount}/"), 2 if version == "2" else 1)


def _meaning(error: Exception, ref: SecretRef, needed: str) -> BackendError:
    kind = _MEANINGS.get(type(error).__name__, Transient)
    if kind is Denied:
        return Denied(f"{ref}: the Vault refuses; the token is not valid, or lacks {needed}")
    if kind is Gone:
        return Gone(f"{ref}: the Vault has no such secret, or not this version of it")
    if kind is Transient:
        return Transient(f"{ref}: the Vault doesn't answer as it should ({_said(error)})")
    return kind(f"{ref}: {_said(error)}")


def _said(error: Exception) -> str:
    """Return what a refusal says; of any other error its kind alone, for its text may hold more."""
    said = getattr(error, "errors", None)
    kind = type(error).__name__
    if not isinstance(said, list):
        return kind
    return f"{kind}: {' '.join(' '.join(map(str, said)).split())[:200]}" if said else kind


def _sealed(data: Any) -> Mapping[str, Any]:
    """Return a value in an answer's shape, hidden: what handles answers may show them."""
    return {"data": {"sealed": Secret(json.dumps(data))}}


def _unversioned(ref: SecretRef) -> Invalid:
    return Invalid(f"{ref}: KV version 1 keeps no versions; leave ?version out")


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


# A time to come is when it will be deleted by itself (`delete_version_after`).
def _past(time: str) -> bool:
    if not time:
        return False
    try:
        # Nanoseconds, which Python 3.11 reads and cuts.
        return datetime.fromisoformat(time) <= datetime.now(UTC)
    except ValueError:
        return True
