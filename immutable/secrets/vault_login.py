"""How a Vault is reached and who asks it: what the environment says. Pure but for files it names.

The names are those that Vault's own command reads ("Environment variables", ``vault`` CLI) where
there are any: ``VAULT_ADDR``, ``VAULT_AGENT_ADDR``, ``VAULT_NAMESPACE``, ``VAULT_TOKEN``,
``VAULT_CACERT``, ``VAULT_CAPATH``, ``VAULT_CLIENT_CERT``, ``VAULT_CLIENT_KEY``,
``VAULT_SKIP_VERIFY`` and ``~/.vault-token``. It has none for logging in by itself; ours are
``VAULT_ROLE_ID``, ``VAULT_SECRET_ID``, ``VAULT_ROLE``, ``VAULT_JWT_FILE`` and ``VAULT_AUTH_MOUNT``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from attrs import field, frozen

from immutable.errors import Denied, Invalid

__all__ = ["DEFAULT_ADDRESS", "Door", "Login", "door", "login"]

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
"""Where a Vault is when nobody says otherwise, as for its own command."""
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
"""Where Kubernetes puts a pod's token ("Configure Service Accounts for Pods")."""
_TRUE = ("1", "t", "true")
_WAYS_OUT = (
    "set VAULT_TOKEN, VAULT_ROLE_ID with VAULT_SECRET_ID or VAULT_SECRET_ID_FILE, VAULT_ROLE for a"
    " token of Kubernetes, or VAULT_AGENT_ADDR; or run vault login"
)


@frozen
class Door:
    """Where a Vault is, and how its certificate is checked.

    Attributes:
        address: Its URL.
        namespace: In which namespace; empty for the root.
        verify: The file or directory of certificates that are trusted; True for the system's,
            False for none.
        certificate: Our own certificate and its key, where it wants one.
    """

    address: str
    namespace: str = ""
    verify: str | bool = True
    certificate: tuple[str, str] | None = None


def door(environ: Mapping[str, str]) -> Door:
    """Return where the Vault is that the environment names; an agent's address comes first.

    Raises:
        Invalid: The address is no ``http://`` or ``https://`` one.
    """
    address = environ.get("VAULT_AGENT_ADDR") or environ.get("VAULT_ADDR") or DEFAULT_ADDRESS
    if not address.startswith(("https://", "http://")) or "@" in address:
        # What follows may be a password.
        raise Invalid("VAULT_ADDR is no address of a Vault; write https://HOST:PORT")
    trusted = environ.get("VAULT_CACERT") or environ.get("VAULT_CAPATH") or True
    ours = environ.get("VAULT_CLIENT_CERT"), environ.get("VAULT_CLIENT_KEY")
    return Door(
        address,
        environ.get("VAULT_NAMESPACE", ""),
        False if environ.get("VAULT_SKIP_VERIFY", "").lower() in _TRUE else trusted,
        (ours[0], ours[1]) if ours[0] and ours[1] else None,
    )


@frozen
class Login:
    """Who asks. Its texts show no token.

    Attributes:
        method: ``token``, ``approle``, ``kubernetes`` (a token of any issuer that Vault's methods
            ``kubernetes`` and ``jwt`` take), or ``agent``, which asks with a token of its own.
        mount: Where the method is mounted; empty for ``token`` and ``agent``.
        role: The role, or its identifier.
        credential: The token, the secret's identifier, or the JWT.
    """

    method: str
    mount: str = ""
    role: str = ""
    credential: str = field(default="", repr=False)


def login(environ: Mapping[str, str]) -> Login:
    """Return who asks: the first of token, AppRole, Kubernetes, agent, the file of ``vault login``.

    Raises:
        Denied: Nobody is named, or what is named can't be read.
    """
    if token := environ.get("VAULT_TOKEN"):
        return Login("token", credential=token)
    mount = environ.get("VAULT_AUTH_MOUNT", "").strip("/")
    if role := environ.get("VAULT_ROLE_ID"):
        file = environ.get("VAULT_SECRET_ID_FILE")
        known = _read(file) if file else environ.get("VAULT_SECRET_ID", "")
        return Login("approle", mount or "approle", role, known)
    if role := environ.get("VAULT_ROLE"):
        file = environ.get("VAULT_JWT_FILE") or _SERVICE_ACCOUNT
        return Login("kubernetes", mount or "kubernetes", role, _read(file))
    if environ.get("VAULT_AGENT_ADDR"):
        return Login("agent")
    kept = os.path.join(environ.get("HOME", ""), ".vault-token")
    if environ.get("HOME") and os.path.exists(kept):
        return Login("token", credential=_read(kept))
    raise Denied(f"nobody is named who asks the Vault; {_WAYS_OUT}")


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            "is no text" if isinstance(error, ValueError) else f"can't be read: {error.strerror}"
        )
        raise Denied(f"{file}, by which the Vault is to be asked, {reason}") from error
