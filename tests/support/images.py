"""An image as a builder describes it."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve

from immutable.trust import Artifact, ImageManifest, ImageSpec, Source, Target, TestResult

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BASE = "sha256:" + "b" * 64
LOCAL = "sha256:" + "1" * 64
BUILT = datetime(2026, 11, 28, 16, 29, 2, tzinfo=UTC)

_SPEC = ImageSpec(
    "web",
    "1.4.2",
    builder="https://ci.example.com/images",
    source=Source("https://example.com/acme/web", COMMIT, "refs/heads/main"),
    base=BASE,
    targets=(Target("local"), Target("aws", "eu-west-1")),
    materials={"immutable.toml": "sha256:" + "c" * 64},
    parameters={"machine": "t3.small"},
    tests=("boot", "http"),
)

_MANIFEST = ImageManifest(
    _SPEC,
    artifacts=(
        Artifact("aws", "eu-west-1", "ami-0abc123", {"root_snapshot": "snap-0def456"}),
        Artifact("local", "", LOCAL),
    ),
    built_at=BUILT,
    sbom="sha256:" + "d" * 64,
    tests=(
        TestResult("boot", True, "aws://eu-west-1/ami-0abc123", 12_345),
        TestResult("http", True, "aws://eu-west-1/ami-0abc123", 35, "200 on /healthz"),
    ),
    tools={"packer": "1.6.6"},
)


def spec(**changes: object) -> ImageSpec:
    return evolve(_SPEC, **changes)


def manifest(**changes: object) -> ImageManifest:
    return evolve(_MANIFEST, **changes)
