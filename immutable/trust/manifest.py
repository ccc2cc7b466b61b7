"""An image's manifest: what it was made of, what it became where, and what is known about it.

A manifest's file is its canonical JSON (RFC 8785) and nothing else, so that ``sha256sum`` of the
file is the image's digest, and anybody can check it with any tool.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from attrs import Attribute, field, frozen

from immutable.errors import InvalidValue
from immutable.model.frozenmap import FrozenMap, settings
from immutable.model.image import Assurance, Image
from immutable.model.serial import canonical
from immutable.trust.artifact import Artifact, Target
from immutable.trust.checks import aware, maybe_digest, texts
from immutable.trust.shape import plain, shaped
from immutable.trust.spec import ImageSpec, Source, digest_of
from immutable.trust.strict import strict_json
from immutable.trust.trial import TestResult

__all__ = ["ImageManifest"]

_FORMAT = "immutable-image"
_VERSION = 1
"""The version of the format; another set of fields is another version."""


def _sorted(artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
    return tuple(sorted(artifacts))


def _results(tests: Iterable[TestResult]) -> tuple[TestResult, ...]:
    return tuple(tests)


def _one_each(_: Any, attribute: Attribute[Any], artifacts: tuple[Artifact, ...]) -> None:
    if not artifacts:
        way_out = "name what was built, with backend, region and identifier"
        raise InvalidValue(attribute.name, artifacts, "an image without any artifact", way_out)
    seen: set[Target] = set()
    for each in artifacts:
        if each.target in seen:
            way_out = "leave one out: which of them would be launched there, nothing says"
            raise InvalidValue(attribute.name, each.address, "a second one for its place", way_out)
        seen.add(each.target)


def _whole_seconds(moment: datetime) -> datetime:
    """Return a moment in UTC and whole seconds, as it is written: so it is the same when read."""
    known = moment.utcoffset() is not None
    return moment.astimezone(UTC).replace(microsecond=0) if known else moment


@frozen
class ImageManifest:
    """All that is known about an image when it is done. Frozen; its digest is the image's.

    Attributes:
        spec: What it was made of: all that could be known before the build.
        artifacts: What it became, one for a backend and region; their order means nothing.
        built_at: When the build ended; kept in UTC and whole seconds.
        sbom: Digest of its software bill of materials; empty if there is none.
        tests: What the tests said.
        tools: The versions of what built it, by name, such as ``packer``.
    """

    spec: ImageSpec
    artifacts: tuple[Artifact, ...] = field(converter=_sorted, validator=_one_each)
    built_at: datetime = field(converter=_whole_seconds, validator=aware)
    sbom: str = field(default="", validator=maybe_digest)
    tests: tuple[TestResult, ...] = field(default=(), converter=_results)
    tools: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings, validator=texts)

    def __str__(self) -> str:
        return f"{self.spec} ({self.digest[:19]})"

    @property
    def name(self) -> str:
        """The image's name."""
        return self.spec.name

    @property
    def version(self) -> str:
        """The image's version."""
        return self.spec.version

    @property
    def builder(self) -> str:
        """The URI of what built it."""
        return self.spec.builder

    @property
    def source(self) -> Source | None:
        """The code that it was built from."""
        return self.spec.source

    @property
    def base(self) -> str:
        """Digest of the image that it was built on; empty for none."""
        return self.spec.base

    @property
    def digest(self) -> str:
        """The image's digest: sha256 over the canonical JSON that `dump` returns."""
        return digest_of(self._document())

    def artifact(self, backend: str, region: str = "") -> Artifact:
        """Return what the image became at a place.

        Raises:
            InvalidValue: It was not made for that place; says for which.
        """
        wanted = Target(backend, region)
        for each in self.artifacts:
            if each.target == wanted:
                return each
        there = ", ".join(str(each.target) for each in self.artifacts)
        way_out = f"build it for that place too; there are {there}"
        raise InvalidValue("artifact", str(wanted), f"{self.spec} has none there", way_out)

    def image(self, artifact: Artifact) -> Image:
        """Return the image that a backend launches.

        Its assurance says that the digest is a signed manifest's: call it on manifests whose
        signatures were checked (`immutable.trust` says how).
        """
        source = self.spec.source
        return Image(
            artifact=artifact.id,
            digest=self.digest,
            assurance=Assurance.SIGNED,
            name=self.name,
            version=self.version,
            commit=source.commit if source else "",
            parent=self.base,
        )

    def _document(self) -> dict[str, Any]:
        return {_FORMAT: _VERSION, **plain(self)}

    def dump(self) -> bytes:
        """Return the manifest as the bytes of a file that `load` reads: canonical JSON."""
        return canonical(self._document())

    @classmethod
    def load(cls, text: str | bytes) -> ImageManifest:
        """Return the manifest in *text*, read strictly: nothing in it is passed over.

        Raises:
            InvalidValue: No such file: no JSON, a name twice, a field that is missing, unknown, of
                another type, or makes no sense. Names the field, the reason and the way out.
        """
        data = strict_json(text, "manifest")
        if not isinstance(data, dict) or data.get(_FORMAT) is None:
            way_out = f'pass a file that begins with {{"{_FORMAT}":{_VERSION}'
            raise InvalidValue("manifest", str(text[:40]), "not an image's manifest", way_out)
        version = data.pop(_FORMAT)
        if type(version) is not int or version != _VERSION:
            way_out = "read it with a newer immutable-sdk"
            raise InvalidValue(f"manifest.{_FORMAT}", version, "an unknown format", way_out)
        return shaped(cls, data, "manifest")
