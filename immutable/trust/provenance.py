"""What is signed of an image: how it was made, as SLSA Provenance v1 (https://slsa.dev/spec/v1.0).

All of it follows from the manifest, whose digest is the digest of each subject. So there is one
right provenance for a manifest, and who checks one reckons it anew and compares: nothing that was
signed is left unread, and of a parameter that is unknown nobody has to decide what it means
(verifying-artifacts.md: unrecognised external parameters have to be refused).
"""

from __future__ import annotations

from typing import Any

from immutable.trust.manifest import ImageManifest
from immutable.trust.shape import plain, spelled
from immutable.trust.statement import Statement, Subject

__all__ = ["BUILD_TYPE", "PROVENANCE", "provenance"]

PROVENANCE = "https://slsa.dev/provenance/v1"
"""The predicate's type (SLSA v1.0, provenance.md)."""

BUILD_TYPE = "immutable-sdk:image/v1"
"""How what is said below follows from a manifest. Another way to say it gets another name; it is a
name only (in-toto, TypeURI), and there is nothing to be fetched by it."""


def provenance(manifest: ImageManifest) -> Statement:
    """Return what is signed of an image.

    A subject for each artifact: its address is the name, the image's digest its digest, so that a
    signature holds for the image *and* for the identifiers that are launched, and for no other.
    """
    digest = manifest.digest
    subjects = tuple(Subject(each.address, digest) for each in manifest.artifacts)
    return Statement(subjects, PROVENANCE, _predicate(manifest))


def _predicate(manifest: ImageManifest) -> dict[str, Any]:
    spec = manifest.spec
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"spec": plain(spec), "specDigest": spec.digest},
            "resolvedDependencies": _dependencies(manifest),
        },
        "runDetails": {
            "builder": {"id": spec.builder, "version": plain(manifest.tools)},
            "metadata": {"finishedOn": spelled(manifest.built_at)},
            "byproducts": [_resource("sbom", manifest.sbom)] if manifest.sbom else [],
        },
    }


def _dependencies(manifest: ImageManifest) -> list[dict[str, Any]]:
    """Return what went into the image, by digest (resource_descriptor.md, digest_set.md)."""
    spec, found = manifest.spec, []
    if spec.source is not None:
        address = f"git+{spec.source.repository}"
        uri = f"{address}@{spec.source.ref}" if spec.source.ref else address
        found.append({"uri": uri, "digest": {"gitCommit": spec.source.commit}})
    if spec.base:
        found.append(_resource("base", spec.base))
    return found + [_resource(name, spec.materials[name]) for name in sorted(spec.materials)]


def _resource(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
