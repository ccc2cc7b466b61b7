"""An OCI image layout on disk: blobs named by their checksum, and an index of images.

Follows the OCI image specification 1.0 (image-layout.md, manifest.md, config.md), so that skopeo,
umoci and podman can read it. An image has one uncompressed layer. What the specification has no
field for stands under ``immutable`` in the config, which readers ignore as they must: the list of
the layer's files, so that a tree on disk can be compared without reading the layer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from immutable.errors import Invalid
from immutable_local.disk import sync_folder, temporary, write_atomically
from immutable_local.recipe import Recipe
from immutable_local.trees import Entry

__all__ = ["Contents", "Layout", "Summed", "hexadecimal"]

_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TITLE = "org.opencontainers.image.title"
_VERSION = "org.opencontainers.image.version"
_REFERENCE = "org.opencontainers.image.ref.name"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_CHUNK = 1 << 20


def hexadecimal(digest: str) -> str:
    """Return the 64 digits of ``sha256:…``, which is safe as the name of a file.

    Raises:
        Invalid: It is no such digest.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Invalid(f"{digest!r} is no digest; write sha256: and 64 hexadecimal digits")
    return match[1]


@frozen
class Contents:
    """What an image is made of, read from its blobs and checked against its digest.

    Attributes:
        recipe: How its instances are run.
        entries: What its tree holds.
        layer: The digest of the layer, a tar file of the tree.
        config: The digest of the config.
    """

    recipe: Recipe
    entries: tuple[Entry, ...]
    layer: str
    config: str


class Summed:
    """Writes to a file, if there is one, and keeps checksum and length of what was written.

    Attributes:
        size: How many bytes there were.
    """

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The checksum so far, as ``sha256:…``."""
        return f"sha256:{self._digest.hexdigest()}"

    def write(self, data: bytes) -> int:
        """Take *data*."""
        if self._file is not None:
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was taken."""
        return self.size


class Layout:
    """The files of a layout. Knows nothing of locks: `ImageStore` holds them.

    Args:
        root: The directory of the layout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs" / "sha256"

    def prepare(self) -> None:
        """Make what a layout must have, where it isn't there."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        if not (self.root / "oci-layout").exists():
            write_atomically(self.root / "oci-layout", _canonical({"imageLayoutVersion": "1.0.0"}))

    # -- blobs ---------------------------------------------------------------------------------

    def path(self, digest: str) -> Path:
        """Return where the blob of a digest is, or would be."""
        return self.blobs / hexadecimal(digest)

    @contextmanager
    def writing(self) -> Iterator[Summed]:
        """Yield a sink; what was written becomes a blob when the block ends without an error."""
        draft = temporary(self.blobs, "blob")
        try:
            with draft.open("xb") as file:
                sink = Summed(file)
                yield sink
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            draft.replace(self.path(sink.digest))
            sync_folder(self.blobs)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise

    def read(self, digest: str) -> bytes:
        """Return a blob, compared with its digest.

        Raises:
            Invalid: It is missing or damaged.
        """
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise _damaged(digest, "missing") from None
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise _damaged(digest, "damaged")
        return data

    @contextmanager
    def reading(self, digest: str) -> Iterator[IO[bytes]]:
        """Yield a blob as a file, compared with its digest before its first byte is used.

        Raises:
            Invalid: It is missing or damaged.
        """
        try:
            file = self.path(digest).open("rb")
        except FileNotFoundError:
            raise _damaged(digest, "missing") from None
        with file:
            actual = hashlib.sha256()
            while data := file.read(_CHUNK):
                actual.update(data)
            if f"sha256:{actual.hexdigest()}" != digest:
                raise _damaged(digest, "damaged")
            file.seek(0)
            yield file

    def _put(self, value: object) -> dict[str, Any]:
        with self.writing() as sink:
            sink.write(_canonical(value))
        return {"digest": sink.digest, "size": sink.size}

    # -- images --------------------------------------------------------------------------------

    def describe(self, recipe: Recipe, entries: Iterable[Entry], layer: Summed) -> dict[str, Any]:
        """Write config and manifest of an image whose layer is there; return its descriptor."""
        config = self._put(_config(recipe, entries, layer.digest)) | {"mediaType": _CONFIG}
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": config,
            "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": layer.size}],
        }
        names = {
            _TITLE: recipe.name,
            _VERSION: recipe.version,
            _REFERENCE: f"{recipe.name}:{recipe.version}",
        }
        return self._put(manifest) | {"mediaType": _MANIFEST, "annotations": names}

    def contents(self, digest: str) -> Contents:
        """Return what an image is made of.

        Raises:
            Invalid: A blob is missing or damaged, or isn't one of ours.
        """
        try:
            manifest = json.loads(self.read(digest))
            config_digest = manifest["config"]["digest"]
            (layer,) = manifest["layers"]
            ours = json.loads(self.read(config_digest))["immutable"]
            entries = tuple(Entry(**each) for each in ours["entries"])
            return Contents(Recipe(**ours["recipe"]), entries, layer["digest"], config_digest)
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{digest} is no image of this backend; pack it here") from error

    # -- index ---------------------------------------------------------------------------------

    def index(self) -> tuple[dict[str, Any], ...]:
        """Return the descriptors of all images, the one packed last first.

        Raises:
            Invalid: The index can't be understood.
        """
        file = self.root / "index.json"
        try:
            found = tuple(json.loads(file.read_bytes())["manifests"])
            for each in found:
                hexadecimal(each["digest"])
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{file}: damaged; remove it and pack the images again") from error
        return found

    def write_index(self, descriptors: Iterable[dict[str, Any]]) -> None:
        """Replace the index; an image is there from when it is in it."""
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": list(descriptors)}
        write_atomically(self.root / "index.json", _canonical(index))


def _config(recipe: Recipe, entries: Iterable[Entry], layer: str) -> dict[str, Any]:
    """Return an image's config. It names no architecture: equal content has an equal digest."""
    return {
        "architecture": "unknown",
        "os": "linux",
        "config": {
            "Cmd": list(recipe.command),
            "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
            "StopSignal": recipe.stop_signal,
            "Labels": {_TITLE: recipe.name, _VERSION: recipe.version},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "immutable": {
            "recipe": {
                "name": recipe.name,
                "version": recipe.version,
                "command": list(recipe.command),
                "health": recipe.health,
                "environment": dict(recipe.environment),
                "stop_signal": recipe.stop_signal,
                "rootfs": recipe.rootfs,
            },
            "entries": [_plain(entry) for entry in entries],
        },
    }


def _plain(entry: Entry) -> dict[str, Any]:
    plain: dict[str, Any] = {"path": entry.path, "mode": entry.mode}
    if entry.sha256:
        plain |= {"size": entry.size, "sha256": entry.sha256}
    return plain | ({"link": entry.link} if entry.link else {})


def _canonical(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _damaged(digest: str, how: str) -> Invalid:
    return Invalid(f"blob {digest} is {how}; remove the image and pack it again")
