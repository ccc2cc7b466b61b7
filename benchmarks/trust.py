"""Signatures: what it costs to believe an image, or a plan, right before something is launched.

``python -m benchmarks.trust`` reads a manifest and what was signed of it from text, as it comes out
of files, and verifies it by a policy of ten keys; then the same for the approvals of a plan. All of
it is in the time: strict reading, counting, the provenance reckoned anew and compared. ``ms`` is
the median, ``p95`` what one in twenty takes longer than, ``signing`` the milliseconds of one
signature. Less than 2 ms are asked for, by the median, with four attestations.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import Benchmark, Row, say, timed
from immutable import Image, Limits, Plan, Revision, Rolling
from immutable.backend import Capabilities, FleetState, Group
from immutable.planning.compile import replacement
from immutable.trust import (
    Artifact,
    Envelope,
    ImageManifest,
    ImageSpec,
    Source,
    Statement,
    TestResult,
    TrustedKey,
    TrustPolicy,
    approval,
    dump_bundle,
    load_bundle,
    new_key,
    open_signer,
    provenance,
    signed,
    verify_approvals,
    verify_image,
)

MOST = 2.0
"""Milliseconds that four attestations and the policy may take."""

ROUNDS, KEYS = 2000, 10
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1")


def manifest() -> ImageManifest:
    """Return the manifest of an image for three regions, with tests."""
    spec = ImageSpec(
        "web",
        "1.4.2",
        "https://ci.example.com/images",
        source=Source("https://example.com/acme/web", "0123456789" * 4, "refs/heads/main"),
        base="sha256:" + "b" * 64,
        parameters={f"parameter-{n}": "value" for n in range(10)},
    )
    artifacts = [Artifact("aws", region, f"ami-0{n}") for n, region in enumerate(REGIONS)]
    tests = [TestResult(name, True, artifacts[0].address, 12) for name in ("boot", "http", "scan")]
    return ImageManifest(spec, artifacts, datetime(2026, 11, 28, tzinfo=UTC), tests=tests)


def plan() -> Plan:
    """Return a plan to approve."""
    group = Group(Revision(1, Image.of_artifact("memory", "v1")), 10)
    state, image = FleetState("web", 0.0, (group,)), Image.of_artifact("memory", "v2")
    return replacement("memory://web", state, image, None, Rolling(), Limits(), Capabilities())


class Signers:
    """Ten keys, and a policy that wants so many of them."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.signers = [], []
        for number in range(KEYS):
            private, public = new_key()
            path = folder / f"{number}.pem"
            path.write_text(private)
            self.keys.append(TrustedKey(f"key-{number}", public))
            self.signers.append(open_signer(path))

    def bundle(self, statement: Statement, count: int) -> str:
        """Return a statement as it is signed by *count* keys, an envelope each."""
        bare = Envelope(statement.dump())
        return dump_bundle(signed(bare, each) for each in self.signers[:count])

    def policy(self, count: int) -> TrustPolicy:
        """Return the policy that wants *count* signatures."""
        return TrustPolicy(tuple(self.keys), count)


def image_row(signers: Signers, count: int, rounds: int) -> Row:
    """Return what it costs to believe an image that *count* keys have signed."""
    made = manifest()
    file, bundle = made.dump(), signers.bundle(provenance(made), count)
    policy, artifact = signers.policy(count), made.artifacts[0]

    def verify() -> object:
        loaded, envelopes = ImageManifest.load(file), load_bundle(bundle)
        return verify_image(loaded, envelopes, policy, artifact=artifact).image

    return _row("image", count, provenance(made), signers, timed(verify, rounds), rounds)


def plan_row(signers: Signers, count: int, rounds: int) -> Row:
    """Return what it costs to believe that *count* people have approved a plan."""
    made = plan()
    bundle, policy = signers.bundle(approval(made), count), signers.policy(count)

    def verify() -> object:
        return verify_approvals(made, load_bundle(bundle), policy, author="somebody")

    return _row("plan", count, approval(made), signers, timed(verify, rounds), rounds)


def _row(
    what: str,
    count: int,
    statement: Statement,
    signers: Signers,
    took: tuple[float, float],
    rounds: int,
) -> Row:
    bare, signer = Envelope(statement.dump()), signers.signers[0]
    return {
        "what": what,
        "attestations": count,
        "keys": KEYS,
        "bytes": len(bare.payload),
        "rounds": rounds,
        "signing": round(timed(lambda: signed(bare, signer), rounds // 5)[0], 3),
        "ms": round(took[0], 3),
        "p95": round(took[1], 3),
    }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for an image and for a plan, with one attestation and with four."""
    rounds = 200 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        signers = Signers(Path(folder))
        for count in (1, 4):
            say(f"{count} attestations")
            yield image_row(signers, count, rounds)
            yield plan_row(signers, count, rounds)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{row['what']}, {row['attestations']} attestations: {row['ms']} ms, less than {MOST} asked"
        for row in listed
        if row["ms"] >= MOST
    ]


BENCHMARK = Benchmark(
    "Verification",
    f"""\
From the text of an image's manifest, or of a plan, and of what was signed of it, to the verdict
of a policy of {KEYS} keys: the processor time by the median of {ROUNDS:,}, and what one in twenty
takes longer than. Less than {MOST:g} ms are asked for. *Signing* is one signature with a key in a
file.""",
    {
        "what": "what",
        "attestations": "attestations",
        "ms": "ms",
        "p95": "p95, ms",
        "signing": "signing, ms",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
