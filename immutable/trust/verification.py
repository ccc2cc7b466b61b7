"""Is this image what somebody trusted has signed: each step of that, with its own refusal.

The order is DSSE's (protocol.md) and SLSA's (v1.0, verifying-artifacts.md): the envelope, the
signatures over it, and only then what it says; the subject; and then whether what was said of it is
what its manifest says.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from immutable.errors import NotTrusted
from immutable.model.image import Image
from immutable.trust.artifact import Artifact
from immutable.trust.counting import Count
from immutable.trust.envelope import Envelope
from immutable.trust.flaws import Flaw
from immutable.trust.manifest import ImageManifest
from immutable.trust.policy import TrustPolicy
from immutable.trust.provenance import PROVENANCE, provenance
from immutable.trust.statement import Statement

__all__ = ["Verified", "statements", "verify_image"]


@frozen
class Verified:
    """An image that may be believed.

    Attributes:
        manifest: Its manifest: all that it says is signed.
        artifact: What is launched of it.
        signers: Whose keys have signed it, by their ids in the policy.
    """

    manifest: ImageManifest
    artifact: Artifact
    signers: tuple[str, ...]

    @property
    def image(self) -> Image:
        """The image as a fleet runs it; its digest is the signed manifest's."""
        return self.manifest.image(self.artifact)


def verify_image(
    manifest: ImageManifest,
    envelopes: Iterable[Envelope],
    policy: TrustPolicy,
    *,
    artifact: Artifact,
    at: datetime | None = None,
) -> Verified:
    """Return the image if enough of those who are trusted have signed exactly this.

    All envelopes have to be right: one that isn't says that somebody changed something.

    Args:
        manifest: The image's manifest, as it was loaded from a file: not believed so far.
        envelopes: What was signed.
        policy: Whose signatures are believed, and how many of them it takes.
        artifact: What is about to be launched, as the backend sees it. What it has in
            `Artifact.stable` has to be what it was, too.
        at: The time at which the keys have to be valid; None for now.

    Raises:
        ImmutableError: The extra ``trust`` is missing.
        NotTrusted: Something doesn't hold; `NotTrusted.flaw` says what, as a `Flaw`.
    """
    count = Count(policy, at or datetime.now(UTC))
    said = statements(envelopes, PROVENANCE, count)
    expected = provenance(manifest)
    for each in said.values():
        _is_about(each, expected.subjects[0].digest, artifact)
        _agrees(each, expected)
    _was(manifest, artifact)
    return Verified(manifest, artifact, tuple(key.id for key, _ in count.counted))


def statements(envelopes: Iterable[Envelope], kind: str, count: Count) -> dict[bytes, Statement]:
    """Return what enough of those who are trusted have said, each of the kind that is asked for.

    It is found by its payload: what several have said in the same words is there once. Nothing of a
    payload is read before all signatures were checked and counted.

    Raises:
        NotTrusted: A signature doesn't hold, they are too few, or it is something else.
    """
    given = tuple(envelopes)
    if not given:
        way_out = "pass what was signed: the file that ends in .intoto.jsonl"
        raise NotTrusted(Flaw.NO_ATTESTATION, "there is nothing that was signed", way_out)
    for each in given:
        count.add(each)
    count.enough()
    said = {each: Statement.load(each) for each in dict.fromkeys(e.payload for e in given)}
    for one in said.values():
        if one.predicate_type != kind:
            reason = f"what is signed is a {one.predicate_type!r}, not a {kind!r}"
            raise NotTrusted(Flaw.PREDICATE_TYPE, reason)
    return said


def _is_about(said: Statement, digest: str, artifact: Artifact) -> None:
    """Make sure that the image, and what is launched of it, is what was signed for."""
    signed_for = [each.name for each in said.subjects if each.digest == digest]
    if len(signed_for) < len(said.subjects) or not signed_for:
        others = ", ".join(sorted({e.digest for e in said.subjects} - {digest})) or "nothing"
        reason = f"signed was {others}, and the manifest's digest is {digest}"
        raise NotTrusted(Flaw.SUBJECT_DIGEST, reason, "pass the manifest that was signed")
    if artifact.address not in signed_for:
        reason = f"{artifact} is not what was signed for; that is {', '.join(signed_for)}"
        raise NotTrusted(Flaw.SUBJECT_NAME, reason, "launch one of those, or have this one signed")


def _agrees(said: Statement, expected: Statement) -> None:
    """Make sure that a statement says what follows from the manifest, and nothing else.

    Raises:
        NotTrusted: They differ; names the first place.
    """
    if said.subjects != expected.subjects:
        others = sorted({each.name for each in {*said.subjects} ^ {*expected.subjects}})
        names = ", ".join(others) or "one is there twice, or at another place"
        reason = f"the statement and the manifest are not about the same things: {names}"
        raise NotTrusted(Flaw.SUBJECT_NAME, reason)
    if found := _difference(said.predicate, expected.predicate, "predicate"):
        raise NotTrusted(
            Flaw.PREDICATE, f"the statement says other things than the manifest: {found}"
        )


def _difference(found: Any, wanted: Any, path: str) -> str:
    """Return where and how two pieces of plain data differ first; empty if they don't.

    What is true is not 1 here, as it isn't in JSON.
    """
    if type(found) is not type(wanted):
        return f"{path} is {found!r}, not {wanted!r}"
    if isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if key not in found or key not in wanted:
                return f"{path}.{key} is {'missing' if key in wanted else 'unknown'}"
            if said := _difference(found[key], wanted[key], f"{path}.{key}"):
                return said
        return ""
    if isinstance(wanted, list):
        if len(found) != len(wanted):
            return f"{path} has {len(found)} entries, not {len(wanted)}"
        pairs = enumerate(zip(found, wanted, strict=True))
        return next(filter(None, (_difference(*p, f"{path}[{n}]") for n, p in pairs)), "")
    return "" if found == wanted else f"{path} is {found!r}, not {wanted!r}"


def _was(manifest: ImageManifest, artifact: Artifact) -> None:
    """Make sure that what is launched still is what the manifest knows of it."""
    known = next(each for each in manifest.artifacts if each.address == artifact.address)
    for name, value in artifact.stable.items():
        if known.stable.get(name, value) != value:
            reason = (
                f"{name} of {artifact} is {value}, and was {known.stable[name]} when it was built"
            )
            raise NotTrusted(Flaw.ARTIFACT_CHANGED, reason, "find out who put another in its place")
