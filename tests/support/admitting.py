"""Cases for rules: a plan from one image of a catalog to another, and what is known of both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from immutable import Image, Limits, Plan, Rolling
from immutable.admission import Candidate, Case
from immutable.backend import Capabilities, FleetState, Group, Instance, InstanceState
from immutable.catalog import Catalog
from immutable.model.catalog import VersionAdded
from immutable.planning.compile import replacement
from immutable.trust import Artifact, Envelope, ImageManifest, dump_bundle
from tests.support.cataloguing import after
from tests.support.images import BUILT, manifest, spec
from tests.support.world import revision

FLEET = "memory://web"


def image(version: str = "1.4.2", backend: str = "memory", **more: object) -> ImageManifest:
    """An image of a simulated cloud, launched there by its name and version."""
    changes = {name: more.pop(name) for name in ("built_at", "tests") if name in more}
    made = spec(version=version, **more)
    artifact = Artifact(backend, "", f"{made.name}-{version}")
    return manifest(spec=made, artifacts=(artifact,), **{"tests": (), **changes})


def adding(made: ImageManifest, signed: Iterable[Envelope] = ()) -> VersionAdded:
    addresses = tuple(each.address for each in made.artifacts)
    text = dump_bundle(list(signed)) if signed else ""
    files = (made.dump().decode(), text)
    return VersionAdded(made.digest, made.name, made.version, made.base, addresses, *files)


def catalog_of(*images: ImageManifest) -> Catalog:
    return after(Catalog(), [adding(each) for each in images])


def plan_to(artifact: str, present: str = "web-1.4.0") -> Plan:
    members = tuple(Instance(f"i-{n}", 1, InstanceState.READY) for n in range(3))
    state = FleetState("web", 0.0, (Group(revision(1, present), 3),), members)
    wanted = Image.of_artifact("memory", artifact)
    return replacement(FLEET, state, wanted, None, Rolling(), Limits(1), Capabilities())


def case(
    *wanted: ImageManifest,
    signed: Iterable[Envelope] = (),
    running: ImageManifest | None = None,
    others: Iterable[ImageManifest] = (),
    now: datetime = BUILT,
    **more: object,
) -> Case:
    """A case in which images, usually one, would be launched on a fleet that runs another."""
    there = (running,) if running is not None else ()
    catalog = catalog_of(*others, *there, *wanted)
    candidates = tuple(
        Candidate(catalog.versions[each.digest], each, tuple(signed), each.artifacts[0])
        for each in wanted
    )
    given = {
        "plan": plan_to(wanted[0].artifacts[0].id if wanted else "web-9"),
        "catalog": catalog,
        "now": now.timestamp(),
        "running": tuple(catalog.versions[each.digest] for each in there),
    }
    return Case(candidates=candidates, **given | more)
