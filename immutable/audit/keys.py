"""The keys that checkpoints are signed with: Ed25519 (RFC 8032), kept in PEM files.

Signing needs the package cryptography, which the extra ``trust`` brings; it is loaded when a key is
used and not before.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.trust.extra import needed

__all__ = ["PrivateKey", "PublicKey"]

_ED25519 = b"\x01"
"""The type of these signatures in a signed note (C2SP signed-note)."""


@frozen
class PublicKey:
    """What checks signatures; anybody may have it.

    Attributes:
        raw: Its 32 bytes.
    """

    raw: bytes

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """Return the key in a PEM file.

        Raises:
            ImmutableError: The package cryptography is missing.
            InvalidValue: It is no public Ed25519 key.
        """
        needed("cryptography")
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _unusable("public", "openssl pkey -in private.pem -pubout") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _unusable("public", "openssl pkey -in private.pem -pubout")
        return cls(key.public_bytes_raw())

    def identifier(self, name: str) -> bytes:
        """Return the four bytes by which a signed note tells the keys of one *name* apart."""
        return hashlib.sha256(name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    def spelled(self, name: str) -> str:
        """Return the key as other tools for signed notes want it: ``name+identifier+key``."""
        return f"{name}+{self.identifier(name).hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return whether the owner of the private key has signed *data*."""
        needed("cryptography")
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


@frozen
class PrivateKey:
    """What signs. Whoever administers the journal's database must not have it.

    Attributes:
        raw: Its 32 bytes; never shown.
        public: Its other half.
    """

    raw: bytes = field(repr=False)
    public: PublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> PrivateKey:
        """Return the key in a PEM file that is not encrypted.

        Raises:
            ImmutableError: The package cryptography is missing.
            InvalidValue: It is no private Ed25519 key, or is encrypted.
        """
        needed("cryptography")
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable("private", "openssl genpkey -algorithm ed25519") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable("private", "openssl genpkey -algorithm ed25519")
        return cls(key.private_bytes_raw(), PublicKey(key.public_key().public_bytes_raw()))

    def sign(self, data: bytes) -> bytes:
        """Return the signature of *data*, 64 bytes; always the same for the same data."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.raw).sign(data)


def _unusable(half: str, way: str) -> InvalidValue:
    """Return the error about a key file; it shows nothing of what is in it."""
    return InvalidValue(
        "key", half, f"not a {half} Ed25519 key in PEM form", f"make it with: {way}"
    )
