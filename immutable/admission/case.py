"""What a rule may know: all of it is there before it is asked, so that rules are pure."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import frozen

from immutable.catalog.state import Catalog, Version
from immutable.model import Plan
from immutable.trust.artifact import Artifact
from immutable.trust.envelope import Envelope
from immutable.trust.manifest import ImageManifest

__all__ = ["Candidate", "Case"]


@frozen
class Candidate:
    """An image of the catalog that would be launched.

    Attributes:
        version: The image as the catalog lists it.
        manifest: What is known about it.
        signed: What was signed of it.
        artifact: What would be launched of it.
    """

    version: Version
    manifest: ImageManifest
    signed: tuple[Envelope, ...]
    artifact: Artifact


@frozen
class Case:
    """A plan whose image may be launched, or not.

    Attributes:
        plan: The plan.
        catalog: The catalog of images.
        now: The time, in seconds since 1970.
        actor: On whose behalf the plan is carried out, as claimed.
        candidates: What would be launched; more than one where the same artifact is listed as
            several versions, empty where the catalog doesn't know it.
        running: What the fleet runs now, as far as the catalog knows it.
        previous: The artifact that the fleet ran before that; empty for none.
        approvals: What was signed under the plan.
        starting: Whether the rollout begins now; else the plan is being made.
    """

    plan: Plan
    catalog: Catalog
    now: float
    actor: str = ""
    candidates: tuple[Candidate, ...] = ()
    running: tuple[Version, ...] = ()
    previous: str = ""
    approvals: tuple[Envelope, ...] = ()
    starting: bool = False

    @property
    def moment(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self.now, UTC)
