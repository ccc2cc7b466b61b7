"""The images of this machine: packed from directories, named by what is in them, never changed.

An `ImageStore` is a directory that any number of processes may use at once::

    oci-layout, index.json, blobs/sha256/…    an OCI image layout
    store/<digest>/                           unpacked trees, without write bits
    images.lock                               held by whoever packs or unpacks, alone by whoever
                                              removes, so that nothing is removed while it is made
    index.lock                                held while the index is replaced

Everything blocks; callers on an event loop use a thread.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attrs import field, frozen

from immutable.backend import FrozenMap
from immutable.errors import Gone, Invalid
from immutable_local import recipe as recipes
from immutable_local import trees
from immutable_local.disk import locked, remove_tree, reporting, sync_folder, temporary
from immutable_local.oci import Contents, Layout, Summed, hexadecimal

__all__ = ["ImageStore", "LocalImage", "Packed"]

_SHORTEST = len("sha256:") + 12


@frozen
class LocalImage:
    """An image of an `ImageStore`.

    Attributes:
        digest: ``sha256:`` and 64 hexadecimal digits, of its manifest.
        name: Its name, such as ``web``.
        version: Its version, such as ``1.4.2``.
        command: The program that its instances run, and its arguments.
        health: The path that answers 200 when an instance serves.
        environment: Environment variables of each instance.
        stop_signal: The name of the signal that asks an instance to end.
        rootfs: Whether its tree is a full root; False when it becomes ``/app``.
        size: Bytes in its files.
        root: Where its tree is, once `ImageStore.unpack` has made it.
    """

    digest: str
    name: str
    version: str
    command: tuple[str, ...]
    health: str
    environment: FrozenMap[str, str]
    stop_signal: str
    rootfs: bool
    size: int
    root: Path = field(eq=False)

    def __str__(self) -> str:
        return f"{self.name}:{self.version} ({self.digest[:_SHORTEST]})"


@frozen
class Packed:
    """What a directory would become.

    Attributes:
        name: The image's name.
        version: Its version.
        layer: The digest of its layer, the tar file of its content.
    """

    name: str
    version: str
    layer: str


class ImageStore:
    """Images in a directory. Making one touches nothing.

    Args:
        root: The directory; made when the first image is packed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._layout = Layout(self.root)
        self._trees = self.root / "store"

    # -- making --------------------------------------------------------------------------------

    def pack(self, directory: Path | str, *, version: str | None = None) -> LocalImage:
        """Make an image of a directory that has an ``immutable.toml``.

        The same content has the same digest, bit by bit, whenever and wherever it is packed.

        Args:
            directory: The directory.
            version: Stands for the version in the file.

        Raises:
            Invalid: ``immutable.toml`` is missing or wrong, or something in the directory can't
                be part of an image; names it.
            BackendError: The disk is full or can't be written; nothing is left half done.
        """
        folder = Path(os.path.expanduser(directory))  # noqa: PTH111 - Path's raises without a home.
        with reporting(f"packing {folder}"):
            recipe = recipes.read(folder, version=version)
            if self.root.resolve().is_relative_to(folder.resolve()):
                raise Invalid(f"{folder} holds the image store {self.root}; keep it elsewhere")
            surveyed = trees.survey(folder, rootfs=recipe.rootfs)
            with self._making():
                with self._layout.writing() as layer:
                    entries = trees.write(folder, surveyed, layer)
                descriptor = self._layout.describe(recipe, entries, layer)
                with self._changing_index():
                    others = [
                        each
                        for each in self._layout.index()
                        if each["digest"] != descriptor["digest"]
                    ]
                    self._layout.write_index([descriptor, *others])
                return self._image(descriptor["digest"])

    def describe(self, directory: Path | str, *, version: str | None = None) -> Packed:
        """Return what `pack` would make of a directory, without making it.

        Raises:
            Invalid: As `pack` does.
        """
        folder = Path(os.path.expanduser(directory))  # noqa: PTH111 - as in `pack`
        with reporting(f"reading {folder}"):
            recipe = recipes.read(folder, version=version)
            summed = Summed(None)
            trees.write(folder, trees.survey(folder, rootfs=recipe.rootfs), summed)
            return Packed(recipe.name, recipe.version, summed.digest)

    def layer(self, digest: str) -> str:
        """Return the digest of an image's layer.

        Raises:
            Gone: There is no such image.
            Invalid: The image is damaged.
        """
        with reporting(f"reading {digest}"):
            return self._contents(digest).layer

    def unpack(self, digest: str, *, anew: bool = False) -> Path:
        """Return where the tree of an image is; makes it when it isn't there.

        It appears whole or not at all, compared with the digest byte by byte, and has no write
        bits.

        Args:
            digest: The image's full digest.
            anew: Replace a tree that is there, such as one that `verify` found damaged. Instances
                that run from the old one lose it.

        Raises:
            Gone: There is no such image.
            Invalid: The image is damaged.
            BackendError: The disk is full or can't be written; nothing is left half done.
        """
        tree = self._tree(digest)
        with reporting(f"unpacking {digest}"):
            if tree.is_dir() and not anew:
                self._touch(digest)
                return tree
            with self._making():
                contents = self._contents(digest)
                trees.check(contents.entries, rootfs=contents.recipe.rootfs)
                draft = temporary(self._trees, "tree")
                try:
                    draft.mkdir(mode=0o700)
                    with self._layout.reading(contents.layer) as layer:
                        trees.extract(layer, contents.entries, draft)
                    self._publish(draft, tree, anew=anew)
                finally:
                    if draft.exists():
                        remove_tree(draft)
        return tree

    def _touch(self, digest: str) -> None:
        """Let an image count as used now; what is in the tree is older, and so might go."""
        with suppress(FileNotFoundError):
            os.utime(self._layout.path(digest))

    def _publish(self, draft: Path, tree: Path, *, anew: bool) -> None:
        """Give a finished tree its name, unless somebody else was first."""
        if anew and tree.exists():
            with self._changing_index():
                old = temporary(self._trees, "old")
                tree.rename(old)
                draft.rename(tree)
            remove_tree(old)
        else:
            try:
                draft.rename(tree)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        sync_folder(self._trees)

    # -- looking -------------------------------------------------------------------------------

    def resolve(self, reference: str) -> LocalImage:
        """Return the image that a reference names.

        Args:
            reference: ``sha256:`` and the first 12 or more digits; or ``name:version``, of which
                the one packed last is taken; or a directory, written with a leading ``.``, ``/``
                or ``~`` or existing as written, which is packed.

        Raises:
            Invalid: There is none, or several; says which there are.
            BackendError: As for `pack`.
        """
        if reference.startswith((".", "/", "~")):
            return self.pack(reference)
        images = self.images()
        if reference.startswith("sha256:"):
            return self._by_digest(reference, images)
        for image in images:
            if f"{image.name}:{image.version}" == reference:
                return image
        if os.path.isdir(reference):  # noqa: PTH112 - False, not an error, for a text with NUL.
            return self.pack(reference)
        way_out = "to pack a directory, write its path, such as ./web"
        raise Invalid(f"no image {reference!r}; there are: {_list(images)}; {way_out}")

    def _by_digest(self, reference: str, images: tuple[LocalImage, ...]) -> LocalImage:
        if len(reference) < _SHORTEST:
            raise Invalid(f"{reference!r} is too short; write 12 or more of the digits")
        found = [image for image in images if image.digest.startswith(reference)]
        if len(found) == 1:
            return found[0]
        if found:
            digests = ", ".join(image.digest for image in found)
            raise Invalid(f"{reference!r} could be any of {digests}; write more digits")
        raise Invalid(f"no image {reference!r}; there are: {_list(images)}")

    def images(self) -> tuple[LocalImage, ...]:
        """Return all images that can be read, the one packed last first."""
        found = []
        with reporting(f"reading {self.root}"):
            for each in self._layout.index():
                with suppress(Invalid):
                    found.append(self._image(each["digest"]))
        return tuple(found)

    def verify(self, digest: str) -> tuple[str, ...]:
        """Return the names of what isn't in the tree as it was packed; empty when intact.

        Changed in content or mode, missing, or added. All of them when it isn't unpacked.

        Raises:
            Gone: There is no such image.
            Invalid: The image itself is damaged.
        """
        with reporting(f"verifying {digest}"):
            entries = self._contents(digest).entries
            return trees.differences(self._tree(digest), entries)

    # -- removing ------------------------------------------------------------------------------

    def remove(self, digest: str) -> None:
        """Remove an image and its tree. Instances that run from it lose their files.

        Raises:
            Gone: There is no such image.
            BackendError: The disk can't be written.
        """
        hexadecimal(digest)
        with reporting(f"removing {digest}"), self._removing():
            there = [each["digest"] for each in self._layout.index()]
            if digest not in there:
                raise Gone(f"no image {digest}; there are: {_list(self.images())}")
            self._keep({each for each in there if each != digest})

    def old(self, seconds: float) -> tuple[LocalImage, ...]:
        """Return the images that were neither packed nor unpacked nor looked for since then."""
        latest = time.time() - seconds
        return tuple(image for image in self.images() if self._used(image.digest) <= latest)

    def _used(self, digest: str) -> float:
        return self._layout.path(digest).stat().st_mtime

    def collect(self, keep: Collection[str] | Callable[[], Collection[str]]) -> tuple[str, ...]:
        """Remove all images but some, and whatever belongs to none.

        Waits for those who pack and unpack; what is half written then was left by a crash.

        Args:
            keep: The full digests of the images to keep: those of every instance, and those that
                a rollout could go back to; or what returns them, asked when nobody packs or
                unpacks.

        Returns:
            The digests of the images that were removed.

        Raises:
            BackendError: The disk can't be written.
        """
        if not self.root.exists():
            return ()
        with reporting(f"collecting in {self.root}"), self._removing():
            there = [each["digest"] for each in self._layout.index()]
            kept = keep() if callable(keep) else keep
            self._keep(kept)
            return tuple(digest for digest in there if digest not in kept)

    def _keep(self, digests: Collection[str]) -> None:
        """Take the others off the index first: a crash leaves garbage, never half an image.

        A tree that is to be kept stays even when its image is unknown: instances may run from it.
        """
        names = {hexadecimal(digest) for digest in digests}
        kept = [each for each in self._layout.index() if each["digest"] in digests]
        self._layout.write_index(kept)
        for each in list(self._trees.iterdir()):
            if each.name not in names:
                doomed = temporary(self._trees, "old")
                each.rename(doomed)
                remove_tree(doomed)
        used = {hexadecimal(each) for digest in digests for each in self._blobs(digest)}
        for each in list(self._layout.blobs.iterdir()):
            if each.name not in used:
                each.unlink()
        for each in self.root.glob(".draft-*"):
            each.unlink()

    def _blobs(self, digest: str) -> tuple[str, ...]:
        try:
            contents = self._layout.contents(digest)
        except Invalid:
            return (digest,)
        return digest, contents.config, contents.layer

    # -- the rest ------------------------------------------------------------------------------

    @contextmanager
    def _making(self) -> Iterator[None]:
        self._prepare()
        with locked(self.root / "images.lock", shared=True):
            yield

    @contextmanager
    def _removing(self) -> Iterator[None]:
        self._prepare()
        with ExitStack() as stack:
            stack.enter_context(locked(self.root / "images.lock"))
            stack.enter_context(self._changing_index())
            yield

    @contextmanager
    def _changing_index(self) -> Iterator[None]:
        with locked(self.root / "index.lock"):
            yield

    def _prepare(self) -> None:
        self._layout.prepare()
        self._trees.mkdir(exist_ok=True)

    def _tree(self, digest: str) -> Path:
        return self._trees.absolute() / hexadecimal(digest)

    def _contents(self, digest: str) -> Contents:
        hexadecimal(digest)
        if all(each["digest"] != digest for each in self._layout.index()):
            raise Gone(f"no image {digest}; there are: {_list(self.images())}")
        return self._layout.contents(digest)

    def _image(self, digest: str) -> LocalImage:
        contents = self._layout.contents(digest)
        recipe = contents.recipe
        return LocalImage(
            digest=digest,
            name=recipe.name,
            version=recipe.version,
            command=recipe.command,
            health=recipe.health,
            environment=recipe.environment,
            stop_signal=recipe.stop_signal,
            rootfs=recipe.rootfs,
            size=sum(entry.size for entry in contents.entries),
            root=self._tree(digest),
        )


def _list(images: tuple[LocalImage, ...]) -> str:
    return ", ".join(str(image) for image in images) or "none"
