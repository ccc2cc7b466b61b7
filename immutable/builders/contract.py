"""The contract between the SDK and what makes images, for authors of builders.

A builder is a class, found under its name in the entry-point group ``immutable.builders``. Rules
that hold for every method:

* It is a coroutine and never blocks the event loop.
* It raises `immutable.errors.BackendError` subclasses and `InvalidValue`, nothing else.
* `Builder.build` may be called again with the same job, after a crash at any instruction: it takes
  what the earlier call has finished, or removes what that left, and begins anew.
* When `Builder.build` is cancelled, whatever it has started has ended when it returns.
* Values of environment variables appear nowhere: not in a specification, a message or a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from attrs import field, frozen

from immutable.backend import Backend
from immutable.model import FleetURL, FrozenMap
from immutable.model.frozenmap import settings
from immutable.trust import Artifact, ImageSpec, Source

__all__ = [
    "BuildContext",
    "BuildJob",
    "BuildRequest",
    "Builder",
    "Inputs",
    "Product",
    "SupportsInputs",
    "Traces",
    "silent",
]


def silent(text: str) -> None:
    """Take a text and do nothing about it."""
    del text


@frozen
class BuildRequest:
    """What somebody wants to have made.

    Attributes:
        source: What it is made of, in the builder's own words: a directory, a template.
        name: The image's name; empty for what the source says itself.
        version: Its version; empty for what the source says itself.
        origin: The commit that the source was taken from; None for none.
        base: Digest of the image that it is built on; empty for none.
        identity: The URI that vouches for who builds it; empty for the builder's own.
        tests: What it has to pass before it counts as an image.
        parameters: What the builder is told besides. Everybody can read it.
        environment: The names of environment variables that the builder's programs may see.
    """

    source: str
    name: str = ""
    version: str = ""
    origin: Source | None = None
    base: str = ""
    identity: str = ""
    tests: tuple[str, ...] = ()
    parameters: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings)
    environment: tuple[str, ...] = ()


@frozen
class BuildJob:
    """A request that is being carried out.

    Attributes:
        id: The build's identifier: goes into the tags of whatever the build makes for a while.
        spec: What the builder has made of the request.
        request: The request.
    """

    id: str
    spec: ImageSpec
    request: BuildRequest


@frozen
class BuildContext:
    """What a build is given by whoever runs it.

    Attributes:
        say: Takes a line of the build's log, as soon as there is one; what is secret in it is
            taken out there.
        note: Takes the name of something that is made for a while and can't be tagged with the
            build; it goes on record, and `Builder.cleanup` gets it.
        environment: The variables that were asked for, with their values.
    """

    say: Callable[[str], None]
    note: Callable[[str], None] = silent
    environment: Mapping[str, str] = field(factory=dict, repr=False)


@frozen
class Product:
    """What a build has made.

    Attributes:
        artifacts: What the image became, one for a backend and region.
        tools: The versions of what made it, by name.
        sbom: Its software bill of materials, if the builder makes one.
        tree: Where its files can be looked at, if they can: for making a bill of materials.
    """

    artifacts: tuple[Artifact, ...]
    tools: FrozenMap[str, str] = field(factory=FrozenMap, converter=settings)
    sbom: bytes = field(default=b"", repr=False)
    tree: Path | None = None


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


@frozen
class Traces:
    """What is known of a build by which to find what it has left.

    Attributes:
        build: The build's identifier.
        names: What it has noted, each once. What it was about to note when it was killed isn't
            there.
        begun: When it was begun, in seconds since the epoch.
        ended: When it had ended at the latest.
    """

    build: str
    names: tuple[str, ...] = field(converter=_names)
    begun: float
    ended: float


@frozen
class Inputs:
    """The files that an image is made of, so that they can be looked at before.

    Attributes:
        place: A directory, or one file.
        left_out: Names of files and directories in it that go into no image.
    """

    place: Path
    left_out: frozenset[str] = frozenset()


@runtime_checkable
class SupportsInputs(Protocol):
    """A builder that says which files go in: they are scanned for secrets before it builds."""

    async def inputs(self, request: BuildRequest) -> Inputs:
        """Return where the files are that *request* is made of; reads none of them."""
        ...


class Builder(Protocol):
    """Makes images for one place. A class may state ``contract``, as metric sources do.

    It may also state ``programs``, the names of what it looks for on ``PATH``: ``immutable doctor``
    says whether they are there.
    """

    @classmethod
    def for_backend(cls, backend: Backend, place: FleetURL) -> Self:
        """Return a builder of images for an open backend; starts nothing.

        Raises:
            InvalidValue: It can't make images for that backend; says for which it can.
        """
        ...

    async def plan(self, request: BuildRequest) -> ImageSpec:
        """Return what the image is to be made of: equal inputs, equal specifications.

        Changes nothing, but reads all inputs: the digest of each file that goes in is in it.

        Raises:
            InvalidValue: The request makes no sense; says which part.
            Invalid: The source can't become an image; says why.
        """
        ...

    async def build(self, job: BuildJob, context: BuildContext) -> Product:
        """Make the image.

        Raises:
            Invalid: It can't be made, or what it is made of has changed since it was planned.
            BackendError: The cloud refused, or was not there.
        """
        ...

    async def present(self, artifacts: tuple[Artifact, ...]) -> bool:
        """Whether all that an earlier build has made is still there, and can be launched."""
        ...

    async def cleanup(self, traces: Traces) -> tuple[str, ...]:
        """Remove what a build has made for a while and left; the images that it finished stay.

        Returns:
            What was removed, in words.
        """
        ...
