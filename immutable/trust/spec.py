"""What an image is to be made of. Two equal specifications have one digest, so one image is enough.

Everything here is an *input*: known before the build, and able to change what comes out of it. What
is known only afterwards (when it was built, with which versions of the tools, what the tests said)
is in the manifest, and changes nothing here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap, settings
from immutable.model.serial import canonical
from immutable.trust.artifact import Target
from immutable.trust.checks import (
    digests,
    label,
    maybe_digest,
    no_secret,
    present,
    text,
    texts,
    uri,
)
from immutable.trust.shape import plain

__all__ = ["ImageSpec", "Source", "digest_of"]


def digest_of(data: Any) -> str:
    """Return the digest of plain data: sha256 over its canonical JSON (RFC 8785)."""
    return "sha256:" + hashlib.sha256(canonical(data)).hexdigest()


def _commit(_: Any, attribute: Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value):
        way_out = "write all 40 (or 64) digits, as `git rev-parse HEAD` prints them"
        raise InvalidValue(attribute.name, value, "not a whole commit id", way_out)


@frozen
class Source:
    """What an image's own code is.

    Attributes:
        repository: The repository's address, without any password.
        commit: The commit's whole id.
        ref: The branch or tag from which it was taken, such as ``refs/heads/main``; empty if from
            none. It is an input: an image that was built from a branch must not pass for one
            of ``main``, though the commit is the same.
    """

    repository: str = field(validator=[present, no_secret])
    commit: str = field(validator=_commit)
    ref: str = field(default="", validator=text)


def _names(tests: Iterable[str]) -> tuple[str, ...]:
    return tuple(tests)


def _sorted(targets: Iterable[Target]) -> tuple[Target, ...]:
    return tuple(sorted(set(targets)))


@frozen
class ImageSpec:
    """What goes into a build: the same specification gives the same image.

    Attributes:
        name: The image's name, such as ``web``.
        version: Its version, such as ``1.4.2``.
        builder: The URI of what builds it: whom one trusts to have built what the manifest says.
        source: The code that it is built from; None for an image of nobody's code.
        base: Digest of the image it is built on; empty for none. Resolved before the build: a
            name that can move is no input.
        targets: Where it is wanted; their order means nothing.
        materials: Digests of further files that go in, by name, such as the recipe, the lock file,
            or the tree of a directory that is in no repository.
        parameters: What else the builder is told. Everybody can read it: never a secret.
        tests: What it has to pass before it counts as an image.
    """

    name: str = field(validator=label)
    version: str = field(validator=label)
    builder: str = field(validator=uri)
    source: Source | None = None
    base: str = field(default="", validator=maybe_digest)
    targets: tuple[Target, ...] = field(default=(), converter=_sorted)
    materials: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings, validator=digests)
    parameters: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings, validator=texts)
    tests: tuple[str, ...] = field(default=(), converter=_names, validator=texts)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def digest(self) -> str:
        """What is equal exactly when all inputs are: look for an image of it before building."""
        return digest_of(plain(self))
