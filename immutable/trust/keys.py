"""Public keys, whose they are, and how long they are believed; new pairs of keys.

A key is what its material is. The name that an envelope gives it is a hint that nothing vouches for
(DSSE, protocol.md), and the same material under two names is one key.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.trust.checks import aware, present, text
from immutable.trust.extra import needed

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

__all__ = ["TrustedKey", "library_key", "new_key"]


@lru_cache(maxsize=1024)
def library_key(pem: str) -> SSlibKey:
    """Return the public key in PEM as securesystemslib has it: Ed25519, ECDSA, RSA, ML-DSA.

    Raises:
        ImmutableError: The extra ``trust`` is missing.
        InvalidValue: It is no public key, or of a kind that is not supported.
    """
    needed("cryptography", "securesystemslib")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
    except (ValueError, UnsupportedAlgorithm):
        # What was passed may be the private half by mistake: it is not shown, nor is the cause.
        way_out = "pass what `immutable image keygen` wrote to the file that ends in .pub"
        raise InvalidValue("public", "…", "not a public key in PEM form", way_out) from None


def _readable(_: Any, _attribute: Attribute[Any], pem: str) -> None:
    library_key(pem)


@frozen
class TrustedKey:
    """A public key that is believed, for a while.

    Attributes:
        id: What it is called here.
        public: The key, in PEM form (SubjectPublicKeyInfo).
        owner: Who has the private half; signatures by two keys of one owner count once. Empty for
            nobody in particular: then the key stands for itself.
        not_before: From when on it is believed; None for always. Compared with the time at which
            something is checked, since the time of a signature is what the signer says it is.
        not_after: Until when, exclusive; None for ever.
    """

    id: str = field(validator=present)
    public: str = field(validator=[text, _readable], repr=False)
    owner: str = field(default="", validator=text)
    not_before: datetime | None = field(default=None, validator=aware)
    not_after: datetime | None = field(default=None, validator=aware)

    @property
    def keyid(self) -> str:
        """What signatures call it: a digest of the material, as securesystemslib reckons it."""
        return str(library_key(self.public).keyid)

    @property
    def person(self) -> str:
        """Whose word its signatures are: its owner's, or the key's own."""
        return self.owner or self.id


def new_key() -> tuple[str, str]:
    """Return a new Ed25519 key: the private half (PKCS 8) and the public one, in PEM form.

    Raises:
        ImmutableError: The extra ``trust`` is missing.
    """
    needed("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
