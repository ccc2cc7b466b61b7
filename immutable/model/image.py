"""What an instance starts from, and what stays outside of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import unquote

from attrs import field, frozen

from immutable.model.frozenmap import FrozenMap, settings
from immutable.secrets.references import SecretRef

__all__ = [
    "Assurance",
    "Image",
    "ImageLike",
    "ImageState",
    "Revision",
    "RuntimeConfig",
    "artifact_parts",
]


def artifact_parts(address: str) -> tuple[str, str, str]:
    """Return backend, region and identifier of an artifact: of ``aws://eu-west-1/ami-0abc123``.

    What is no such address has an empty identifier; the region is empty where a backend has none.
    """
    backend, _, rest = address.partition("://")
    region, _, identifier = rest.partition("/")
    return backend, unquote(region), identifier


class Assurance(StrEnum):
    """What an image's digest stands for."""

    CONTENT = "content"
    """The digest was computed over the content that instances run."""
    SIGNED = "signed"
    """The digest is that of a signed manifest."""
    ARTIFACT = "artifact"
    """The digest stands for the backend's own stable identifier, nothing more."""


class ImageState(StrEnum):
    """Whether instances can be started from an image."""

    AVAILABLE = "available"
    DEPRECATED = "deprecated"


@frozen
class Image:
    """A versioned artifact that instances start from.

    Attributes:
        artifact: The backend's stable identifier; never an alias that can move.
        digest: ``sha256:`` and 64 hexadecimal digits.
        assurance: What the digest was computed over.
        name: The name that people use, such as ``web``.
        version: The version that people use, such as ``1.4.2``.
        commit: The source commit it was built from.
        parent: The digest of the image it was built on.
        state: Whether instances can still be started from it, when it was resolved.
    """

    artifact: str
    digest: str = ""
    assurance: Assurance = Assurance.ARTIFACT
    name: str = ""
    version: str = ""
    commit: str = ""
    parent: str = ""
    state: ImageState = field(default=ImageState.AVAILABLE, eq=False)

    def __str__(self) -> str:
        label = ":".join(part for part in (self.name, self.version) if part)
        if not label or label == self.artifact:
            return self.artifact
        long = self.artifact.startswith("sha256:")
        return f"{label} ({self.artifact[:19] if long else self.artifact})"

    @classmethod
    def of_artifact(cls, backend: str, artifact: str, *, name: str = "") -> Image:
        """Return an image known only by its stable identifier on a backend.

        Its digest is the sha256 of ``backend``, a newline and ``artifact``: equal for equal
        identifiers and nothing more, which `Assurance.ARTIFACT` says.
        """
        digest = hashlib.sha256(f"{backend}\n{artifact}".encode()).hexdigest()
        return cls(artifact=artifact, digest=f"sha256:{digest}", name=name)


def _environment(values: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap({name: values[name] for name in sorted(values)})


def _secrets(values: Mapping[str, SecretRef | str]) -> FrozenMap[str, SecretRef]:
    refs = {n: v if isinstance(v, SecretRef) else SecretRef.parse(v) for n, v in values.items()}
    return FrozenMap({name: refs[name] for name in sorted(refs)})


@frozen
class RuntimeConfig:
    """What stays outside the image: settings, and references to secrets.

    A change of either is a new revision and is rolled out, and back, like a new image.

    Attributes:
        environment: Environment variables of each instance.
        secrets: Secrets by the name under which the instance finds them.
    """

    environment: FrozenMap[str, str] = field(factory=FrozenMap, converter=_environment)
    secrets: FrozenMap[str, SecretRef] = field(factory=FrozenMap, converter=_secrets)


@frozen
class Revision:
    """An image, its configuration and how its instances are launched. Never changes.

    Attributes:
        number: 1, 2, 3 … within a fleet, never used twice.
        image: What the instances start from.
        config: What they are told at start.
        template: How they are launched, in the backend's own words (machine type, health
            path, …). The core compares it and passes it on.
    """

    number: int
    image: Image
    config: RuntimeConfig = RuntimeConfig()
    template: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings)

    def __str__(self) -> str:
        return f"r{self.number} {self.image}"


ImageLike = Image | str
"""An `Image`, or the words by which a backend finds one."""
