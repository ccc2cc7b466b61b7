"""Checkpoints in the format of C2SP, and what their signatures are worth."""

from __future__ import annotations

import hashlib
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.audit.checkpoint import ORIGIN, Checkpoint, Standing
from immutable.audit.keys import PrivateKey, PublicKey
from immutable.errors import ImmutableError
from tests.support.record import KEYS, OTHER_KEYS

ROOT = hashlib.sha256(b"root").digest()
MINE, OTHER = PrivateKey.from_pem(KEYS.private), PrivateKey.from_pem(OTHER_KEYS.private)

CURVE = ec.generate_private_key(ec.SECP256R1())
CURVES = [
    CURVE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
]

# The example of the specification, c2sp.org/tlog-checkpoint.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_example_of_the_specification_is_read_and_written_again():
    read = Checkpoint.parse(EXAMPLE)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert read.root.hex().startswith("0ac5186a91863e8e")
    (signature,) = read.signatures
    assert (signature.key.hex(), len(signature.value)) == ("033de0ae", 64)
    assert str(read) == EXAMPLE


def test_the_identifier_of_a_key_is_that_of_the_specification():
    # The key of Go's checksum database, as its tools spell it.
    spelled = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    key = PublicKey(b64decode(spelled.split("+", 2)[2])[1:])
    assert key.spelled("sum.golang.org") == spelled


@given(st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_survives_its_text(size, root):
    made = Checkpoint(ORIGIN, size, root).signed(MINE).signed(OTHER)
    assert Checkpoint.parse(str(made)) == made
    assert made.standing(MINE.public) is made.standing(OTHER.public) is Standing.SIGNED


def test_what_signatures_are_worth():
    bare = Checkpoint(ORIGIN, 7, ROOT)
    assert bare.standing(MINE.public) is Standing.UNSIGNED
    assert bare.signed(OTHER).standing(MINE.public) is Standing.STRANGE
    text = str(bare.signed(MINE))
    assert Checkpoint.parse(text).standing(MINE.public) is Standing.SIGNED
    forged = Checkpoint.parse(text.replace("\n7\n", "\n8\n"))
    assert forged.standing(MINE.public) is Standing.FORGED
    # One that doesn't hold spoils the note, even beside one that does.
    both = Checkpoint(ORIGIN, 7, ROOT, (), (*bare.signed(MINE).signatures, *forged.signatures))
    assert both.standing(MINE.public) is Standing.SIGNED
    spoilt = Checkpoint(ORIGIN, 8, ROOT).signed(MINE)
    spoilt = Checkpoint(ORIGIN, 8, ROOT, (), (*spoilt.signatures, *forged.signatures))
    assert spoilt.standing(MINE.public) is Standing.FORGED


def test_a_signature_under_another_name_is_another_key():
    moved = str(Checkpoint("other/log", 7, ROOT).signed(MINE)).replace("other/log\n", f"{ORIGIN}\n")
    assert Checkpoint.parse(moved).standing(MINE.public) is Standing.STRANGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n",
        "log\n7\n",
        "log\n07\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n-7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n+7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "log\n7\nAAAA\n",
        "a log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        EXAMPLE.replace("—", "--"),
        EXAMPLE.replace("Az3g", "*"),
        EXAMPLE.replace("sofa Az3g", "sofa  Az3g"),
        EXAMPLE + "more\n",
        EXAMPLE.replace("\n\n", "\n\n\n"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(InvalidValue, match="checkpoint"):
        Checkpoint.parse(text)


def test_extension_lines_are_signed_and_kept():
    made = Checkpoint(ORIGIN, 7, ROOT, ("more", "lines")).signed(MINE)
    assert Checkpoint.parse(str(made)) == made
    less = Checkpoint.parse(str(made).replace("more\n", ""))
    assert less.standing(MINE.public) is Standing.FORGED


@pytest.mark.parametrize("origin", ["", "a log", "a+b", "a\nb", "a\u2003b"])
def test_a_name_that_could_not_be_a_keys_name_is_refused(origin):
    with pytest.raises(InvalidValue, match="origin"):
        Checkpoint(origin, 7, ROOT)


@pytest.mark.parametrize("read", [PrivateKey.from_pem, PublicKey.from_pem])
def test_keys_that_can_not_be_used_are_refused(read):
    other_half = KEYS.public if read == PrivateKey.from_pem else KEYS.private
    for pem in (b"", b"secret", other_half, *CURVES):
        with pytest.raises(InvalidValue, match="Ed25519") as caught:
            read(pem)
        assert "secret" not in str(caught.value)


def test_a_private_key_is_not_shown():
    assert repr(MINE.raw) not in repr(MINE)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("immutable.trust.extra.find_spec", lambda _: None)
    for read in (PrivateKey.from_pem, PublicKey.from_pem):
        with pytest.raises(ImmutableError, match=r"immutable-sdk\[trust\]"):
            read(b"")
    with pytest.raises(ImmutableError, match=r"immutable-sdk\[trust\]"):
        MINE.public.verifies(b"", b"")
