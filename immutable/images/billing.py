"""A bill of materials of what was built: the builder's own, or syft's, where there is one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from hashlib import sha256

from immutable.builders.contract import Product
from immutable.builders.programs import Program, output

__all__ = ["bill_of_materials", "digest_of_bytes"]


def digest_of_bytes(data: bytes) -> str:
    """Return the sha256 digest of a file, as manifests write it; empty for an empty file."""
    return f"sha256:{sha256(data).hexdigest()}" if data else ""


async def bill_of_materials(product: Product, say: Callable[[str], None]) -> bytes:
    """Return the software bill of materials of what was built; empty where nobody can make one.

    The builder's own counts; else syft is asked for one (CycloneDX, JSON) if it is on ``PATH`` and
    the image's files can be looked at. That it failed is said, and is no failure of the build.

    Args:
        product: What was built.
        say: Takes what is to be known about it.
    """
    if product.sbom or product.tree is None:
        return product.sbom
    syft = await asyncio.to_thread(shutil.which, "syft")
    if syft is None:
        return b""
    made, code = await output(Program((syft, "scan", f"dir:{product.tree}", "-o", _FORMAT, "-q")))
    if code or not _lists_components(made):
        say(f"no bill of materials: syft made none (exit code {code})")
        return b""
    say(f"bill of materials by syft: {len(made)} bytes")
    return made


_FORMAT = "cyclonedx-json"


def _lists_components(document: bytes) -> bool:
    try:
        return "components" in json.loads(document)
    except (ValueError, TypeError):
        return False
