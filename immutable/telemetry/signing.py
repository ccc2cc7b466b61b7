"""Signing messages as Standard Webhooks has it (specification 1.0.0): HMAC-SHA256."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

from immutable.errors import InvalidValue
from immutable.secrets.value import Secret

__all__ = ["check_key", "signed"]

_PREFIX = b"whsec_"
_LEAST, _MOST = 24, 64
_FORM = "whsec_ and then 24 to 64 random bytes in base64"


def signed(message: str, at: int, body: bytes, keys: Sequence[Secret]) -> dict[str, str]:
    """Return the headers that go with a message.

    Args:
        message: Its identifier.
        at: When it is sent, in seconds since 1970; receivers refuse what is old.
        body: What is sent.
        keys: What it is signed with: one signature for each, so that keys can be changed.

    Raises:
        InvalidValue: One is no key.
    """
    content = b"%s.%d.%s" % (message.encode(), at, body)
    values = []
    for each in keys:
        with each.reveal() as text:
            digest = hmac.new(_key(text), content, hashlib.sha256).digest()
        values.append(f"v1,{b64encode(digest).decode()}")
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(values),
    }


def check_key(secret: Secret) -> None:
    """Make sure that a secret is a key.

    Raises:
        InvalidValue: It is none.
    """
    with secret.reveal() as text:
        _key(text)


def _key(text: bytearray) -> bytes:
    """Return the bytes of a key; what is raised shows nothing of it."""
    try:
        key = b64decode(bytes(text).strip().removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise InvalidValue(
            "secret", "(hidden)", f"not a key: {_FORM}",
            "make one with: echo whsec_$(openssl rand -base64 32)",
        ) from None  # fmt: skip
    return key
