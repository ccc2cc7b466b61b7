"""The builder of this backend's images: a directory becomes what the image store packs of it."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import ClassVar, Self

from immutable.backend import Backend, FleetURL, Gone, Invalid
from immutable.builders import (
    Artifact,
    BuildContext,
    BuildJob,
    BuildRequest,
    ImageSpec,
    Inputs,
    Product,
    Target,
    Traces,
)
from immutable.errors import InvalidValue
from immutable_local.backend import LocalBackend
from immutable_local.images import ImageStore, Packed

__all__ = ["LocalBuilder"]

_IDENTITY = "immutable-sdk:builder/local"


class LocalBuilder:
    """Packs a directory with an ``immutable.toml`` into a store of images.

    What goes in is the directory's content alone: the specification names it by the digest of the
    layer that it becomes, and the same content becomes the same image, bit by bit.

    Args:
        store: Where the images are kept.
    """

    contract: ClassVar[int] = 1

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    @classmethod
    def for_backend(cls, backend: Backend, place: FleetURL) -> Self:
        """Return the builder of a local backend's images.

        Raises:
            InvalidValue: It is no local backend.
        """
        if not isinstance(backend, LocalBackend):
            way_out = "it makes images for local:// only; name another builder"
            raise InvalidValue("builder", "local", f"not for {place.scheme}://", way_out)
        return cls(backend.store)

    async def plan(self, request: BuildRequest) -> ImageSpec:
        """Return what the image is to be made of.

        Raises:
            InvalidValue: The request has what a packed directory can't have.
            Invalid: The directory can't become an image.
        """
        if request.base or request.parameters or request.environment:
            way_out = "leave it out: all that goes into a local image is its directory"
            name = "base" if request.base else "parameters or environment"
            raise InvalidValue(name, request.base or "…", "nothing that packing uses", way_out)
        packed = await self._described(request)
        if request.name not in ("", packed.name):
            way_out = f"leave it out, or write name = {request.name!r} there"
            reason = f"not the name in immutable.toml, {packed.name}"
            raise InvalidValue("name", request.name, reason, way_out)
        return ImageSpec(
            name=packed.name,
            version=packed.version,
            builder=request.identity or _IDENTITY,
            source=request.origin,
            targets=(Target("local"),),
            materials={"layer": packed.layer},
            tests=request.tests,
        )

    async def inputs(self, request: BuildRequest) -> Inputs:
        """Return the directory: all of it goes in, but for what `trees.survey` leaves out."""
        # Not Path's own way, which raises where there is no home.
        return Inputs(Path(await asyncio.to_thread(os.path.expanduser, request.source)))

    async def _described(self, request: BuildRequest) -> Packed:
        return await asyncio.to_thread(
            self._store.describe, request.source, version=request.version or None
        )

    async def build(self, job: BuildJob, context: BuildContext) -> Product:
        """Pack the directory.

        Raises:
            Invalid: It can't become an image, or has changed since it was planned.
            BackendError: The disk is full or can't be written.
        """
        source, spec = job.request.source, job.spec
        context.say(f"packing {source}")
        image = await asyncio.to_thread(self._store.pack, source, version=spec.version)
        if await asyncio.to_thread(self._store.layer, image.digest) != spec.materials["layer"]:
            raise Invalid(f"{source} was changed while it was packed; build it again")
        tree = await asyncio.to_thread(self._store.unpack, image.digest)
        context.say(f"packed {image}, {image.size} bytes in its files")
        artifact = Artifact("local", "", image.digest, {"layer": spec.materials["layer"]})
        return Product((artifact,), {"python": platform.python_version()}, tree=tree)

    async def present(self, artifacts: tuple[Artifact, ...]) -> bool:
        """Whether the image is in the store, whole."""
        for each in artifacts:
            try:
                await asyncio.to_thread(self._store.unpack, each.id)
                damaged = await asyncio.to_thread(self._store.verify, each.id)
            except (Gone, Invalid):
                return False
            if damaged:
                return False
        return True

    async def cleanup(self, traces: Traces) -> tuple[str, ...]:
        """Do nothing: what is half packed has no name, and goes with the next collection."""
        del traces
        return ()
