"""Signing with keys in files and behind URIs; what is secret is seen nowhere."""

from __future__ import annotations

import logging
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner

from immutable import ImmutableError, InvalidValue
from immutable.trust import (
    Envelope,
    TrustedKey,
    TrustPolicy,
    new_key,
    open_signer,
    provenance,
    signed,
    verify_image,
)
from tests.support.images import manifest
from tests.support.signing import key, pair, signer

AMI = manifest().artifact("aws", "eu-west-1")


@pytest.fixture
def place(tmp_path):
    private, public = pair("ada")
    (tmp_path / "key.pem").write_text(private)
    (tmp_path / "key.pub").write_text(public)
    return tmp_path


def verified(envelope: Envelope, public: str) -> tuple[str, ...]:
    policy = TrustPolicy((TrustedKey("it", public),))
    return verify_image(manifest(), [envelope], policy, artifact=AMI).signers


def test_a_new_key_signs_and_its_public_half_checks(tmp_path):
    private, public = new_key()
    (tmp_path / "key.pem").write_text(private)
    envelope = signed(Envelope(provenance(manifest()).dump()), open_signer(tmp_path / "key.pem"))
    assert verified(envelope, public) == ("it",)
    assert new_key() != (private, public)


def test_a_second_signature_is_added_and_the_same_key_signs_once(place):
    envelope = Envelope(provenance(manifest()).dump())
    once = signed(envelope, open_signer(place / "key.pem"))
    assert signed(once, open_signer(place / "key.pem")) == once
    assert len(signed(once, signer("grace")).signatures) == 2


@pytest.mark.parametrize(
    "private", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)]
)
def test_keys_of_the_kinds_that_services_have_are_checked_too(private):
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    envelope = signed(Envelope(provenance(manifest()).dump()), CryptoSigner(private))
    assert verified(envelope, public.decode()) == ("it",)


def test_a_uri_names_a_signer_whose_public_half_is_given(place):
    word = f"file2:{place / 'key.pem'}"
    made = open_signer(word, public=pair("ada")[1])
    assert verified(signed(Envelope(provenance(manifest()).dump()), made), pair("ada")[1])
    with pytest.raises(InvalidValue, match="whose public half is needed"):
        open_signer(word)
    with pytest.raises(ImmutableError, match="can't be used"):
        open_signer(word, public=pair("grace")[1])


class Service:
    """A key management service as securesystemslib has them: it holds the key, we hold its name."""

    asked: tuple[str, str] = ("", "")

    def __init__(self, public, *, answers: bool = True) -> None:
        self.public_key, self.answers = public, answers

    @classmethod
    def from_priv_key_uri(cls, uri, public, ask):
        cls.asked = (uri, ask("PIN"))
        return cls(public, answers=not uri.endswith("silent"))

    def sign(self, payload):
        if not self.answers:
            raise ConnectionError("the service is away")
        return signer("ada").sign(payload)


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "testkms", Service)


def test_a_service_is_asked_by_its_uri_and_may_ask_for_a_pin(service):
    made = open_signer("testkms:alias/release", public=pair("ada")[1], ask=lambda name: name * 2)
    assert Service.asked == ("testkms:alias/release", "PINPIN")
    assert verified(signed(Envelope(provenance(manifest()).dump()), made), pair("ada")[1])


def test_a_service_that_does_not_sign_or_signs_with_another_key_is_told(service):
    away = open_signer("testkms:silent", public=pair("ada")[1], ask=str)
    with pytest.raises(ImmutableError, match=r"nothing was signed: .*the service is away"):
        signed(Envelope(b"{}"), away)
    other = open_signer("testkms:other", public=pair("grace")[1], ask=str)
    with pytest.raises(ImmutableError, match="nothing was signed") as caught:
        signed(Envelope(b"{}"), other)
    assert isinstance(caught.value.__cause__, UnverifiedSignatureError)


def test_an_encrypted_key_needs_its_passphrase(place):
    private = load_pem_private_key(pair("ada")[0].encode(), None)
    encrypted = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    )
    (place / "locked.pem").write_bytes(encrypted)
    made = open_signer(place / "locked.pem", ask=lambda _: "open sesame")
    assert made.public_key == signer("ada").public_key
    for ask in (None, lambda _: "open barley"):
        with pytest.raises(InvalidValue, match="passphrase is another one"):
            open_signer(place / "locked.pem", ask=ask)


@pytest.mark.parametrize(
    ("word", "public", "said"),
    [
        ("nothing.pem", "", "can't be read: No such file"),
        ("key.pub", "", "not a private key in PEM form"),
        ("key.pem", pair("grace")[1], "not the public half of"),
        ("s3:bucket/key", pair("ada")[1], "neither a file nor the URI of a signer"),
    ],
)
def test_a_key_that_can_not_be_used_says_why(place, word, public, said, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises(InvalidValue, match=said):
        open_signer(word, public=public)


def test_no_private_key_is_seen_anywhere(place, caplog):
    caplog.set_level(logging.DEBUG)
    secret = pair("ada")[0].splitlines()[1]
    raw = b"ada".ljust(32, b"\0").hex()
    (place / "broken.pem").write_text(pair("ada")[0].replace("END PRIVATE", "END"))
    seen = [repr(open_signer(place / "key.pem")), repr(key("ada"))]
    for attempt in (
        lambda: open_signer(place / "broken.pem"),
        lambda: open_signer(f"file2:{place / 'broken.pem'}", public=pair("ada")[1]),
        lambda: TrustedKey("ada", pair("ada")[0]),
        lambda: open_signer(place / "key.pem", public=pair("ada")[0]),
    ):
        with pytest.raises(ImmutableError) as caught:
            attempt()
        seen += ["".join(traceback.format_exception(caught.value)), repr(caught.value)]
    for text in [*seen, caplog.text]:
        assert secret not in text
        assert raw not in text


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("immutable.trust.extra.find_spec", lambda _: None)
    with pytest.raises(ImmutableError, match=r"immutable-sdk\[trust\]"):
        open_signer("key.pem")
    with pytest.raises(ImmutableError, match="cryptography"):
        new_key()


def test_manifests_need_no_extra(monkeypatch):
    monkeypatch.setattr("immutable.trust.extra.find_spec", lambda _: None)
    assert manifest().load(manifest().dump()) == manifest()
