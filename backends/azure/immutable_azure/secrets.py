"""Secrets in Azure Key Vault: ``azure-kv://VAULT/NAME``.

Facts are those of the REST reference of Key Vault. A value comes with every answer of "Get Secret",
so a check asks "Get Secret Versions": it tells each version's attributes without values, and is
permitted apart. Which version is current isn't said; it is the one that was made last.
"""

from __future__ import annotations

import re
from typing import Any

from immutable.backend import BackendError, Denied, Gone, Invalid, Secret, SecretRef, Transient
from immutable_azure.faults import translated
from immutable_azure.permissions import CHECK_SECRETS, READ_SECRETS

__all__ = ["KeyVaultResolver"]

_CONNECT, _READ = 3.0, 5.0
_PUBLIC = "vault.azure.net"
_VAULT = re.compile(r"[A-Za-z0-9-]{3,24}")
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_DISABLED = "SecretDisabled"
_NEEDED = {
    "check": f"list of secrets ({', '.join(CHECK_SECRETS)})",
    "resolve": f"get of secrets ({', '.join(READ_SECRETS)})",
}


class KeyVaultResolver:
    """Reads ``azure-kv://VAULT/NAME?version=IDENTIFIER#field``.

    A vault of another cloud than the public one is written as its host:
    ``azure-kv://safe.vault.azure.cn/db``. Credentials are azure-identity's usual search: in an
    instance its managed identity, ``AZURE_CLIENT_ID`` names which. The rights: to read, ``get``; to
    check, ``list``.
    """

    def __init__(self) -> None:
        self._credential: Any = None
        self._clients: dict[str, Any] = {}

    def check(self, ref: SecretRef) -> str:
        """Return the version that *ref* stands for, from the list of the secret's versions.

        Empty where that can't be told: the last two were made in the same second.
        """
        host, name = _parts(ref)
        versions = self._ask(ref, "check", host, lambda client: _described(client, name))
        if not versions:
            raise _gone(ref)
        if ref.version:
            named = [each for each in versions if each[1] == ref.version]
            if not named:
                raise Gone(f"{ref}: the secret has no such version; leave it out, or name another")
            _check_enabled(ref, named)
            return ref.version
        last = [each for each in versions if each[0] == max(each[0] for each in versions)]
        _check_enabled(ref, last)
        return last[0][1] if len(last) == 1 else ""

    def resolve(self, ref: SecretRef) -> Secret:
        """Return the value."""
        host, name = _parts(ref)
        secret: Secret = self._ask(
            ref,
            "resolve",
            host,
            lambda client: Secret(client.get_secret(name, ref.version or None).value or ""),
        )
        return secret

    def close(self) -> None:
        """Close connections."""
        for client in self._clients.values():
            client.close()
        self._clients = {}
        if self._credential is not None:
            self._credential.close()
            self._credential = None

    def _ask(self, ref: SecretRef, verb: str, host: str, question: Any) -> Any:
        """Return what a question comes to.

        Errors are raised where no frame of Azure's clients hangs on to them: those have the token
        in their variables, and whoever logs a traceback may log variables.
        """
        wrong: BackendError | None = None
        try:
            return question(self._client(host))
        except Exception as error:  # noqa: BLE001  # Of azure-core, azure-identity, or an odd answer.
            wrong = _meaning(ref, verb, error)
        raise wrong

    def _client(self, host: str) -> Any:
        if host not in self._clients:
            from azure.identity import DefaultAzureCredential
            from azure.keyvault.secrets import SecretClient

            if self._credential is None:
                self._credential = DefaultAzureCredential()
            self._clients[host] = SecretClient(
                f"https://{host}", self._credential, retry_total=0, connection_timeout=_CONNECT,
                read_timeout=_READ, user_agent="immutable-azure",
            )  # fmt: skip
        return self._clients[host]


# safe/db: safe.vault.azure.net, db; safe.vault.azure.cn/db: that host.
def _parts(ref: SecretRef) -> tuple[str, str]:
    vault, _, name = ref.path.partition("/")
    if _VAULT.fullmatch(vault.partition(".")[0]) is None or _NAME.fullmatch(name) is None:
        raise Invalid(
            f"{ref}: no names of a vault and a secret; write azure-kv://VAULT/NAME, in letters,"
            " digits and hyphens"
        )
    return (vault if "." in vault else f"{vault}.{_PUBLIC}"), name


def _described(client: Any, name: str) -> list[tuple[float, str, bool]]:
    """Return when each version was made, its identifier, and whether it is enabled."""
    return [
        (each.created_on.timestamp(), str(each.version), each.enabled is not False)
        for each in client.list_properties_of_secret_versions(name)
    ]


def _check_enabled(ref: SecretRef, versions: list[tuple[float, str, bool]]) -> None:
    for _, version, enabled in versions:
        if not enabled:
            raise Gone(f"{ref}: version {version} is disabled; enable it, or name another")


def _gone(ref: SecretRef) -> Gone:
    return Gone(
        f"{ref}: the vault has no such secret, or not this version of it; one that was deleted"
        " lately can be recovered"
    )


def _meaning(ref: SecretRef, verb: str, error: Exception) -> BackendError:
    if type(error).__name__ in ("KeyError", "AttributeError", "TypeError", "DecodeError"):
        # Of an answer that makes no sense; its text may hold anything.
        return Transient(f"{ref}: no answer that makes sense ({type(error).__name__})")
    meant = translated(error, "Key Vault", str(ref))
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    if inner.get("code") == _DISABLED:
        return Gone(f"{ref}: is disabled; enable it, or name another version")
    if isinstance(meant, Gone):
        return _gone(ref)
    if isinstance(meant, Denied) and getattr(error, "status_code", None) == 403:
        return Denied(f"{meant}; who asks needs {_NEEDED[verb]}, and a way through the firewall")
    return meant
