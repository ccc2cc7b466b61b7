"""Whose signatures an envelope really has, and whether they are enough."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from attrs import define, field

from immutable.errors import NotTrusted
from immutable.trust.envelope import Envelope, Signature
from immutable.trust.flaws import Flaw
from immutable.trust.keys import TrustedKey, library_key
from immutable.trust.policy import TrustPolicy
from immutable.trust.shape import spelled

__all__ = ["Count"]


@define
class Count:
    """Who has signed, so far.

    Attributes:
        policy: Whose signatures are believed.
        at: The time at which keys have to be valid.
        author: Whose own signature does not count; empty for nobody.
        counted: The keys that count, each with what it has signed, in the order in which they
            were found.
        others: Why other signatures don't count, in the order of their weight.
    """

    policy: TrustPolicy
    at: datetime
    author: str = ""
    counted: list[tuple[TrustedKey, Envelope]] = field(factory=list)
    others: list[tuple[Flaw, str]] = field(factory=list)

    def add(self, envelope: Envelope) -> None:
        """Count the signatures of an envelope.

        Raises:
            NotTrusted: It has none, or one that claims to be by a trusted key and isn't.
        """
        if not envelope.signatures:
            reason = "the envelope has no signature"
            raise NotTrusted(Flaw.UNSIGNED, reason, "sign it with: immutable image sign")
        for each in envelope.signatures:
            self._judge(each, envelope)

    def _judge(self, signature: Signature, envelope: Envelope) -> None:
        """Count one signature, or say why it doesn't count."""
        named = self.policy.named(signature.keyid)
        held = [each for each in named if _holds(each, signature, envelope.signed_bytes)]
        if not held and signature.keyid and named:
            payload = hashlib.sha256(envelope.payload).hexdigest()[:16]
            reason = f"the signature by key {named[0].id!r} does not fit its payload, {payload}…"
            way_out = "one of the two was changed: get both again from whoever signed"
            raise NotTrusted(Flaw.BAD_SIGNATURE, reason, way_out)
        if not held:
            named_as = signature.keyid[:16] or "without a name"
            reason = f"the key {named_as!r} is none of those that are trusted"
            self.others.append((Flaw.UNKNOWN_KEY, reason))
            return
        reasons = []
        for each in held:
            why_not = self._why_not(each)
            if why_not is None:
                self._take(each, envelope)
                return
            reasons.append(why_not)
        self.others.append(reasons[0])

    def _why_not(self, key: TrustedKey) -> tuple[Flaw, str] | None:
        if key.not_after is not None and self.at >= key.not_after:
            return Flaw.EXPIRED_KEY, f"key {key.id!r} expired at {spelled(key.not_after)}"
        if key.not_before is not None and self.at < key.not_before:
            return Flaw.EARLY_KEY, f"key {key.id!r} is valid from {spelled(key.not_before)} on only"
        if self.author and key.person == self.author:
            return Flaw.AUTHOR, f"key {key.id!r} is that of {self.author}, who wants the change"
        return None

    def _take(self, key: TrustedKey, envelope: Envelope) -> None:
        """Count a key, unless it or its owner was counted already."""
        for each, _ in self.counted:
            if each.keyid == key.keyid:
                twice = f"key {key.id!r} has signed twice"
                reason = twice if each.id == key.id else f"{each.id!r} and {key.id!r} are one key"
                self.others.append((Flaw.SAME_KEY, reason))
                return
            if each.owner and each.owner == key.owner:
                reason = f"{each.id!r} and {key.id!r} are both keys of {each.owner}"
                self.others.append((Flaw.SAME_OWNER, reason))
                return
        self.counted.append((key, envelope))

    def enough(self) -> None:
        """Make sure that the signatures that count are enough.

        Raises:
            NotTrusted: They are too few; the flaw is the heaviest reason why others don't count.
        """
        wanted, found = self.policy.threshold, len(self.counted)
        if found >= wanted:
            return
        order = list(Flaw)
        reasons = sorted(self.others, key=lambda each: -order.index(each[0]))
        flaw = reasons[0][0] if reasons else Flaw.TOO_FEW
        said = "; ".join([f"{found} of {wanted} signatures that are needed", *_texts(reasons)])
        raise NotTrusted(flaw, said, "have it signed by somebody who is trusted")


def _texts(reasons: Iterable[tuple[Flaw, str]]) -> Iterable[str]:
    return dict.fromkeys(reason for _, reason in reasons)


def _holds(key: TrustedKey, signature: Signature, covered: bytes) -> bool:
    """Whether a signature was made by a key's private half over these bytes."""
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature as LibrarySignature

    made = LibrarySignature(key.keyid, signature.value.hex())
    try:
        library_key(key.public).verify_signature(made, covered)
    except UnverifiedSignatureError:
        return False
    return True
