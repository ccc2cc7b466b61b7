"""What was signed, changed in every way that is worth a try: all refused, each in its words."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable.trust import (
    APPROVAL,
    Artifact,
    Envelope,
    Flaw,
    ImageManifest,
    NotTrusted,
    TrustPolicy,
    provenance,
    signed,
    verify_image,
)
from immutable.trust.envelope import Signature, load_bundle
from tests.support.images import BUILT, manifest
from tests.support.signing import enveloped, key, keyid, pair, signer, trusting

NOW = BUILT + timedelta(days=1)
AMI = manifest().artifact("aws", "eu-west-1")


@define
class Case:
    """Everything that a verification is given."""

    text: str
    manifest: ImageManifest
    artifact: Artifact
    policy: TrustPolicy
    at: datetime = NOW

    def verify(self):
        return verify_image(
            self.manifest,
            load_bundle(self.text),
            self.policy,
            artifact=self.artifact,
            at=self.at,
        )


def good() -> Case:
    policy = TrustPolicy((key("ci"), key("release"), key("ada")), threshold=2)
    return Case(signed_by("ci", "release"), manifest(), AMI, policy)


def signed_by(*names: str) -> str:
    return enveloped(provenance(manifest()), *names).dump()


def test_what_was_not_changed_is_believed():
    found = good().verify()
    assert found.signers == ("ci", "release")
    assert found.image == manifest().image(AMI)
    assert found.artifact is AMI


# -- ways to change what is handed over ------------------------------------------------------------


def text(change: Callable[[str], str]) -> Callable[[Case], Case]:
    return lambda case: evolve(case, text=change(case.text))


def members(change: Callable[[dict[str, Any]], object]) -> Callable[[Case], Case]:
    """Change the envelope's members, without signing it again."""

    def go(case: Case) -> Case:
        data = json.loads(case.text)
        change(data)
        return evolve(case, text=json.dumps(data))

    return go


def statement(change: Callable[[dict[str, Any]], object]) -> Callable[[Case], Case]:
    """Change the statement, and let those who are trusted sign it: a signer that was misled."""

    def go(case: Case) -> Case:
        data = json.loads(provenance(manifest()).dump())
        change(data)
        return payload(json.dumps(data))(case)

    return go


def payload(text: str) -> Callable[[Case], Case]:
    def go(case: Case) -> Case:
        return evolve(case, text=enveloped(text.encode(), "ci", "release").dump())

    return go


def flipped(case: Case) -> Case:
    envelope = Envelope.load(case.text)
    mine = bytearray(envelope.payload)
    mine[100] ^= 1
    return evolve(case, text=evolve(envelope, payload=bytes(mine)).dump())


def broken(case: Case) -> Case:
    envelope = Envelope.load(case.text)
    first, second = envelope.signatures
    wrong = Signature(first.keyid, second.value)
    return evolve(case, text=evolve(envelope, signatures=(wrong, second)).dump())


def of_other_type(case: Case) -> Case:
    """A whole envelope, properly signed, of another kind of payload."""
    envelope = Envelope(provenance(manifest()).dump(), "application/json")
    for name in ("ci", "release"):
        envelope = signed(envelope, signer(name))
    return evolve(case, text=envelope.dump())


def one_key_under_two_ids(case: Case) -> Case:
    twin = evolve(key("ci"), id="ci-again")
    policy = TrustPolicy((key("ci"), twin, key("release")), threshold=2)
    envelope = Envelope.load(signed_by("ci"))
    (mine,) = envelope.signatures
    both = (Signature("ci", mine.value), Signature("ci-again", mine.value))
    return evolve(case, text=evolve(envelope, signatures=both).dump(), policy=policy)


def two_keys_of_one_owner(case: Case) -> Case:
    keys = (key("ci", owner="ada"), key("release", owner="ada"), key("ada", owner="grace"))
    return evolve(case, policy=TrustPolicy(keys, threshold=2))


def limited(**facts: datetime) -> Callable[[Case], Case]:
    keys = (key("ci"), key("release", **facts), key("ada"))
    return lambda case: evolve(case, policy=TrustPolicy(keys, threshold=2))


def named_twice(data: str) -> str:
    assert '"payloadType"' in data
    return data.replace('"payloadType"', '"payloadType":"application/json","payloadType"', 1)


def repeated(data: dict[str, Any]) -> None:
    data["signatures"][1]["keyid"] = data["signatures"][0]["keyid"]


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return change


def added_subject(data: dict[str, Any]) -> None:
    data["subject"].append(
        {"name": "aws://us-east-1/ami-9", "digest": data["subject"][0]["digest"]}
    )


SPEC = ("predicate", "buildDefinition", "externalParameters", "spec")
PAYLOAD = provenance(manifest()).dump().decode()

CORPUS: dict[str, tuple[Callable[[Case], Case], Flaw]] = {
    # The envelope.
    "nothing signed": (text(lambda _: ""), Flaw.NO_ATTESTATION),
    "truncated": (text(lambda data: data[: len(data) // 2]), Flaw.ENVELOPE),
    "something behind it": (text(lambda data: data + "x"), Flaw.ENVELOPE),
    "no object": (text(lambda data: f"[{data}]"), Flaw.ENVELOPE),
    "name twice in the envelope": (text(named_twice), Flaw.REPEATED_NAME),
    "unknown member": (members(put("cert", value="MII")), Flaw.ENVELOPE),
    "unknown member of a signature": (
        members(put("signatures", 0, "cert", value="MII")), Flaw.ENVELOPE),
    "no payload": (members(lambda data: data.pop("payload")), Flaw.ENVELOPE),
    "signatures of another type": (members(put("signatures", value={})), Flaw.ENVELOPE),
    "no base64": (members(put("payload", value="***")), Flaw.ENCODING),
    "base64 without its end": (members(put("signatures", 0, "sig", value="QQ")), Flaw.ENCODING),
    "loose ends of base64": (members(put("signatures", 1, "sig", value="QR==")), Flaw.ENCODING),
    "payload type swapped": (
        members(put("payloadType", value="application/vnd.cyclonedx+json")), Flaw.PAYLOAD_TYPE),
    "signed as another payload type": (of_other_type, Flaw.PAYLOAD_TYPE),
    # Signatures.
    "no signature": (members(put("signatures", value=[])), Flaw.UNSIGNED),
    "one key twice in the envelope": (members(repeated), Flaw.REPEATED_SIGNATURE),
    "flipped bit of the payload": (flipped, Flaw.BAD_SIGNATURE),
    "signature of somebody else": (broken, Flaw.BAD_SIGNATURE),
    "empty signature": (members(put("signatures", 1, "sig", value="")), Flaw.BAD_SIGNATURE),
    "payload replaced": (
        members(put("payload", value=b64encode(b"{}").decode())), Flaw.BAD_SIGNATURE),
    "unknown key": (text(lambda _: signed_by("ci", "mallory")), Flaw.UNKNOWN_KEY),
    "unknown key without a name": (
        members(put("signatures", 1, value={"sig": b64encode(b"0" * 64).decode()})),
        Flaw.UNKNOWN_KEY),
    "too few": (text(lambda _: signed_by("ci")), Flaw.TOO_FEW),
    "the same envelope twice": (text(lambda _: f"{signed_by('ci')}\n{signed_by('ci')}"),
                                Flaw.SAME_KEY),
    "one key under two ids": (one_key_under_two_ids, Flaw.SAME_KEY),
    "two keys of one owner": (two_keys_of_one_owner, Flaw.SAME_OWNER),
    "expired key": (limited(not_after=NOW), Flaw.EXPIRED_KEY),
    "expired key beside an unknown one": (
        lambda case: evolve(
            limited(not_after=NOW)(case), text=signed_by("ci", "mallory", "release")),
        Flaw.EXPIRED_KEY),
    "key of the future": (limited(not_before=NOW + timedelta(seconds=1)), Flaw.EARLY_KEY),
    # What was signed.
    "payload is no JSON": (payload("image: web"), Flaw.PAYLOAD),
    "payload is cut off": (payload(PAYLOAD[:-1]), Flaw.PAYLOAD),
    "name twice in the payload": (
        payload(PAYLOAD.replace('"predicate":', '"predicate":{},"predicate":', 1)),
        Flaw.REPEATED_NAME),
    "fraction in the payload": (payload('{"_type":1.0}'), Flaw.PAYLOAD),
    "another type of statement": (
        statement(put("_type", value="https://in-toto.io/Statement/v0.1")), Flaw.STATEMENT_TYPE),
    "payload is a list": (payload("[]"), Flaw.STATEMENT_TYPE),
    "unknown member of the statement": (statement(put("note", value=1)), Flaw.STATEMENT),
    "no predicate": (statement(lambda data: data.pop("predicate")), Flaw.STATEMENT),
    "predicate is a list": (statement(put("predicate", value=[])), Flaw.STATEMENT),
    "digest by another algorithm": (
        statement(put("subject", 0, "digest", value={"md5": "0" * 32})), Flaw.STATEMENT),
    "digest that is none": (
        statement(put("subject", 0, "digest", "sha256", value="zz")), Flaw.STATEMENT),
    "swapped predicate type": (statement(put("predicateType", value=APPROVAL)),
                               Flaw.PREDICATE_TYPE),
    "no subject": (statement(put("subject", value=[])), Flaw.SUBJECT_DIGEST),
    "wrong subject": (
        statement(put("subject", 0, "digest", "sha256", value="0" * 64)), Flaw.SUBJECT_DIGEST),
    "artifact not signed for": (statement(lambda data: data["subject"].pop(0)), Flaw.SUBJECT_NAME),
    "subject too many": (statement(added_subject), Flaw.SUBJECT_NAME),
    "subject twice": (
        statement(lambda data: data["subject"].append(data["subject"][0])), Flaw.SUBJECT_NAME),
    "other source": (
        statement(put(*SPEC, "source", "commit", value="f" * 40)), Flaw.PREDICATE),
    "unknown external parameter": (
        statement(put("predicate", "buildDefinition", "externalParameters", "debug", value=True)),
        Flaw.PREDICATE),
    "missing dependency": (
        statement(lambda data: data["predicate"]["buildDefinition"]["resolvedDependencies"].pop()),
        Flaw.PREDICATE),
    "no build type": (
        statement(lambda data: data["predicate"]["buildDefinition"].pop("buildType")),
        Flaw.PREDICATE),
    "other build type": (
        statement(put("predicate", "buildDefinition", "buildType", value="x:y")), Flaw.PREDICATE),
    "other builder": (
        statement(put("predicate", "runDetails", "builder", "id", value="x:y")), Flaw.PREDICATE),
    "truth for a text": (
        statement(put("predicate", "runDetails", "metadata", "finishedOn", value=True)),
        Flaw.PREDICATE),
    "list for an object": (
        statement(put("predicate", "runDetails", "metadata", value=[])), Flaw.PREDICATE),
    "object for a list": (
        statement(put("predicate", "runDetails", "byproducts", value={})), Flaw.PREDICATE),
    # What it is held against.
    "other manifest": (
        lambda case: evolve(case, manifest=manifest(tools={"packer": "1.7"})), Flaw.SUBJECT_DIGEST),
    "other artifact": (
        lambda case: evolve(case, artifact=evolve(AMI, id="ami-0evil")), Flaw.SUBJECT_NAME),
    "same artifact in another region": (
        lambda case: evolve(case, artifact=evolve(AMI, region="us-east-1")), Flaw.SUBJECT_NAME),
    "same artifact of another backend": (
        lambda case: evolve(case, artifact=evolve(AMI, backend="gcp")), Flaw.SUBJECT_NAME),
    "disk replaced under the same id": (
        lambda case: evolve(case, artifact=evolve(AMI, stable={"root_snapshot": "snap-evil"})),
        Flaw.ARTIFACT_CHANGED),
}  # fmt: skip


def refused(name: str) -> NotTrusted:
    mutate, _ = CORPUS[name]
    with pytest.raises(NotTrusted) as caught:
        mutate(good()).verify()
    return caught.value


@pytest.mark.parametrize("name", CORPUS)
def test_every_mutant_is_refused_for_what_is_wrong_with_it(name):
    error = refused(name)
    assert error.flaw is CORPUS[name][1]
    assert 20 < len(str(error)) < 500
    assert pair("ci")[0] not in str(error)


def test_every_mutant_has_a_message_of_its_own():
    said = {name: str(refused(name)) for name in CORPUS}
    assert len(said) >= 40
    by_message: dict[str, list[str]] = {}
    for name, message in said.items():
        by_message.setdefault(message, []).append(name)
    assert {m: names for m, names in by_message.items() if len(names) > 1} == {}


def test_every_flaw_of_an_image_is_in_the_corpus():
    assert {flaw for _, flaw in CORPUS.values()} == set(Flaw) - {Flaw.AUTHOR}


@given(st.data())
def test_no_flipped_bit_of_an_envelope_is_believed(data):
    case = good()
    raw = bytearray(case.text.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = raw.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NotTrusted):
        evolve(case, text=changed).verify()


@given(st.data())
def test_no_envelope_that_was_cut_off_is_believed(data):
    case = good()
    end = data.draw(st.integers(0, len(case.text) - 1))
    with pytest.raises(NotTrusted):
        evolve(case, text=case.text[:end]).verify()


def test_what_somebody_else_signed_too_does_no_harm():
    case = evolve(good(), text=signed_by("mallory", "ci", "release"))
    assert case.verify().signers == ("ci", "release")


def test_signatures_may_come_in_one_envelope_or_in_several():
    case = evolve(good(), text="\n".join([signed_by("ci"), signed_by("release")]) + "\n")
    assert case.verify().signers == ("ci", "release")


def test_one_bad_envelope_among_good_ones_is_looked_at():
    bad = flipped(good()).text
    with pytest.raises(NotTrusted, match="does not fit"):
        evolve(good(), text=f"{good().text}\n{bad}").verify()


def test_a_signature_need_not_name_its_key():
    data = json.loads(good().text)
    for each in data["signatures"]:
        del each["keyid"]
    with pytest.raises(NotTrusted) as caught:  # Two without a name are two of one name.
        evolve(good(), text=json.dumps(data)).verify()
    assert caught.value.flaw is Flaw.REPEATED_SIGNATURE
    one = {**data, "signatures": data["signatures"][:1]}
    case = evolve(good(), text=json.dumps(one), policy=trusting("ada", "ci"))
    assert case.verify().signers == ("ci",)


def test_a_key_is_valid_from_its_first_moment_to_before_its_last():
    ends = NOW + timedelta(hours=1)
    case = limited(not_before=NOW, not_after=ends)(good())
    assert case.verify().signers == ("ci", "release")
    assert evolve(case, at=ends - timedelta(seconds=1)).verify().signers == ("ci", "release")
    for at in (NOW - timedelta(seconds=1), ends):
        with pytest.raises(NotTrusted):
            evolve(case, at=at).verify()


def test_a_key_that_expired_under_one_id_may_be_valid_under_another():
    keys = (key("ci"), evolve(key("ci"), id="ci-2", not_after=NOW))
    assert evolve(good(), policy=TrustPolicy(keys)).verify().signers == ("ci",)


def test_both_alphabets_of_base64_are_read():
    data = json.loads(good().text)
    for each in data["signatures"]:
        each["sig"] = each["sig"].replace("+", "-").replace("/", "_")
    assert evolve(good(), text=json.dumps(data)).verify().signers == ("ci", "release")


def test_an_envelope_is_what_others_read_and_write():
    from securesystemslib.dsse import Envelope as LibraryEnvelope

    theirs = LibraryEnvelope.from_dict(json.loads(good().text))
    keys = [signer(name).public_key for name in ("ci", "release")]
    assert set(theirs.verify(keys, 2)) == {keyid("ci"), keyid("release")}
    assert Envelope.load(json.dumps(theirs.to_dict())) == Envelope.load(good().text)
    assert theirs.pae() == Envelope.load(good().text).signed_bytes


def test_provenance_has_the_members_that_slsa_asks_for():
    said = json.loads(provenance(manifest()).dump())
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    assert {e["name"] for e in said["subject"]} == {
        "aws://eu-west-1/ami-0abc123", f"local:///sha256:{'1' * 64}"
    }  # fmt: skip
    definition, run = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    assert definition["externalParameters"]["specDigest"] == manifest().spec.digest
    assert definition["resolvedDependencies"][0] == {
        "uri": "git+https://example.com/acme/web@refs/heads/main",
        "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"},
    }
    assert run["builder"]["id"] == "https://ci.example.com/images"
    assert run["metadata"] == {"finishedOn": "2026-11-28T16:29:02Z"}
    assert run["byproducts"] == [{"name": "sbom", "digest": {"sha256": "d" * 64}}]


def test_without_a_time_the_keys_have_to_be_valid_now():
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    policy = TrustPolicy((key("ci", not_after=long_ago),))
    with pytest.raises(NotTrusted, match="expired at 2000-01-01T00:00:00Z"):
        verify_image(manifest(), [Envelope.load(signed_by("ci"))], policy, artifact=AMI)
