"""Keys that are the same in every run, and what is signed with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.signer import CryptoSigner

from immutable.trust import Envelope, Statement, TrustedKey, TrustPolicy, open_signer, signed


@cache
def pair(name: str) -> tuple[str, str]:
    """The private and the public half of somebody's key, in PEM form."""
    key = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0"))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@cache
def signer(name: str) -> CryptoSigner:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "key.pem"
        path.write_text(pair(name)[0])
        return open_signer(path)


def key(name: str, **facts: object) -> TrustedKey:
    return TrustedKey(name, pair(name)[1], **facts)


def keyid(name: str) -> str:
    return key(name).keyid


def trusting(*names: str, threshold: int = 1) -> TrustPolicy:
    return TrustPolicy(tuple(key(name) for name in names), threshold)


def enveloped(statement: Statement | bytes, *names: str) -> Envelope:
    """A statement, or any payload, signed by these."""
    payload = statement.dump() if isinstance(statement, Statement) else statement
    envelope = Envelope(payload)
    for name in names:
        envelope = signed(envelope, signer(name))
    return envelope
