"""Signing: with a key in a file, or with one that never leaves a key management service.

A key is named by the path of its PEM file, or by a URI of securesystemslib's signers: ``awskms:``,
``gcpkms:``, ``azurekms:``, ``hv:`` (HashiCorp Vault), ``hsm:`` (PKCS 11) and others. What such a
service needs (``securesystemslib[awskms]`` and so on) is installed by whoever uses it. Nothing here
shows or logs a private key, nor what was found where one was looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from immutable.errors import ImmutableError, InvalidValue
from immutable.trust.envelope import Envelope, Signature
from immutable.trust.extra import needed
from immutable.trust.keys import library_key

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

__all__ = ["open_signer", "signed"]

Ask = Callable[[str], str]
"""What asks a person for a secret, such as a passphrase or a PIN, by its name."""


def open_signer(key: str | Path, *, public: str = "", ask: Ask | None = None) -> Signer:
    """Return what signs with a key. Reads a file or asks a service: call it in a thread.

    Args:
        key: The path of a private key in PEM form (PKCS 8), or a signer's URI.
        public: The public half in PEM form; needed for a URI, checked against the key for a file.
        ask: What is asked for the passphrase of a file, or the PIN of a device; None for nobody.

    Raises:
        ImmutableError: The extra ``trust`` is missing, the service can't be reached or refuses.
        InvalidValue: There is no such key, or the public half is of another one.
    """
    needed("cryptography", "securesystemslib")
    word = str(key)
    if isinstance(key, str) and re.match(r"[a-z][a-z0-9]+:", word) and not Path(word).exists():
        return _of_service(word, public, ask)
    return _of_file(Path(key), public, ask)


def _of_file(path: Path, public: str, ask: Ask | None) -> Signer:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.exceptions import KeyMismatchError
    from securesystemslib.signer import CryptoSigner

    try:
        pem = path.read_bytes()
        phrase = ask("passphrase").encode() if ask and b"ENCRYPTED" in pem else None
        private = load_pem_private_key(pem, phrase)
        return CryptoSigner(private, library_key(public) if public else None)
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise InvalidValue("key", str(path), reason, "name a private key's file") from error
    except KeyMismatchError:
        raise InvalidValue("public", "…", f"not the public half of {path}") from None
    except InvalidValue:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # No cause: it might show a part of what is in the file.
        reason = "not a private key in PEM form, or its passphrase is another one"
        way_out = "make one with: immutable image keygen FILE"
        raise InvalidValue("key", str(path), reason, way_out) from None


def _of_service(uri: str, public: str, ask: Ask | None) -> Signer:
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Signer

    scheme = uri.partition(":")[0]
    if scheme not in SIGNER_FOR_URI_SCHEME:
        known = ", ".join(sorted(SIGNER_FOR_URI_SCHEME))
        reason = "neither a file nor the URI of a signer"
        raise InvalidValue("key", uri, reason, f"signers are {known}")
    if not public:
        reason = "the key of a service, whose public half is needed beside it"
        raise InvalidValue("key", uri, reason, "give it in PEM form with --public")
    key = library_key(public)
    try:
        return Signer.from_priv_key_uri(uri, key, ask)
    except Exception as error:  # Any of theirs: each service has errors of its own.
        raise ImmutableError(f"the key {uri} can't be used: {_said(error)}") from error


def signed(envelope: Envelope, signer: Signer) -> Envelope:
    """Return the envelope with one more signature. May ask a service: call it in a thread.

    Raises:
        ImmutableError: The service did not sign.
    """
    from securesystemslib.dsse import Envelope as LibraryEnvelope

    whole = LibraryEnvelope(envelope.payload, envelope.payload_type, {})
    try:
        made = whole.sign(signer)
        # What a service answers is checked before it is handed on: it may have another key.
        signer.public_key.verify_signature(made, envelope.signed_bytes)
    except Exception as error:  # Any of theirs, as above.
        raise ImmutableError(f"nothing was signed: {_said(error)}") from error
    mine = Signature(made.keyid, bytes.fromhex(made.signature))
    others = tuple(each for each in envelope.signatures if each.keyid != mine.keyid)
    return evolve(envelope, signatures=(*others, mine))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
