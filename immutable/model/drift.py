"""What instances have become since they were launched: findings, and what nobody can see."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

__all__ = [
    "DriftCode",
    "DriftReason",
    "DriftReport",
    "DriftVerdict",
    "Evidence",
    "Finding",
    "Inspected",
    "Inspection",
    "Stray",
]


class DriftCode(StrEnum):
    """In what an instance differs from what its fleet's revision says."""

    IMAGE = "image"
    """It was started from another image."""
    TEMPLATE = "template"
    """It was launched from another template than its group's, or from another version of it."""
    CONFIG = "config"
    """What it is told at start (user data, metadata, environment) is something else."""
    MACHINE = "machine"
    """It is of another machine type, or size."""
    NETWORK = "network"
    """It has other security groups, firewall tags or networks."""
    METADATA = "metadata"
    """Its metadata service can be asked in another way."""
    IDENTITY = "identity"
    """It acts as somebody else: another instance profile, service account or identity."""
    MARKS = "marks"
    """It lacks tags or labels that it was launched with, or they say something else."""
    DISK = "disk"
    """Its root disk is another one than it was launched with, or it has further disks."""
    RESTARTED = "restarted"
    """It was stopped and started again since it was launched."""
    EXTENSIONS = "extensions"
    """Other agents or extensions are installed on it than its group says."""
    FILES = "files"
    """Files of its image are not as they were packed."""
    PROCESS = "process"
    """What runs there is not what was started."""
    TAINTED = "tainted"
    """Somebody, or a hook at login, has marked it as touched."""
    SECRET = "secret"  # noqa: S105  # A word, not one.
    """A secret that it was started with has been rotated since."""
    OVER_AGE = "over-age"
    """It is older than it may become."""
    REVISION = "revision"
    """It is of another revision than its fleet, and no rollout is on its way."""


class DriftVerdict(StrEnum):
    """What is to be said of an instance, or of a fleet."""

    OK = "ok"
    """All that is looked at was seen, and is as the revision says."""
    DRIFTED = "drifted"
    """Something is not."""
    UNKNOWN = "unknown"
    """Something could not be seen, and what could is as it should be."""


class Evidence(StrEnum):
    """What a finding rests on."""

    CONTROL_PLANE = "control-plane"
    """What the cloud, or this machine's supervisor, says of the instance from outside."""
    EVENTS = "events"
    """What the cloud has recorded of calls that changed the instance."""
    ATTESTED = "attested"
    """What the instance itself has measured and signed."""


@frozen
class DriftReason:
    """One difference.

    Attributes:
        code: In what.
        expected: What the revision says; never a secret, nor what may hold one.
        found: What there is.
    """

    code: DriftCode
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        if not self.expected:
            return f"{self.code.value}: {self.found}" if self.found else self.code.value
        return f"{self.code.value}: {self.found or 'nothing'}, expected {self.expected}"


@frozen
class Inspected:
    """What a backend has seen of one instance.

    Attributes:
        id: The instance, as in `Instance`.
        reasons: In what it differs.
        unknown: What should have been looked at and could not be, each with the cause.
        assurance: What that rests on.
    """

    id: str
    reasons: tuple[DriftReason, ...] = ()
    unknown: tuple[str, ...] = ()
    assurance: Evidence = Evidence.CONTROL_PLANE


@frozen
class Stray:
    """Something that carries a fleet's marks, or runs in its place, and is no member of it.

    Attributes:
        id: The backend's identifier.
        found: What it is, in words.
    """

    id: str
    found: str


@frozen
class Inspection:
    """What a backend has seen of a fleet's instances, compared with what they were launched as.

    Attributes:
        at: When it was true at the latest: what was launched later need not be in it.
        instances: Each member that was looked at, once.
        strays: What is no member and looks like one.
        checked: What was looked at.
        unseen: What this backend can't see of any instance, as words.
    """

    at: float
    instances: tuple[Inspected, ...]
    strays: tuple[Stray, ...] = ()
    checked: tuple[DriftCode, ...] = ()
    unseen: tuple[str, ...] = ()


@frozen
class Finding:
    """What is to be said of one instance.

    Attributes:
        instance: Its identifier.
        revision: The number of its revision.
        launched_at: When it was launched, by the backend's clock; 0 when unknown.
        verdict: What it comes to.
        assurance: What that rests on.
        reasons: Why it is drifted.
        unknown: What could not be seen of it.
    """

    instance: str
    revision: int
    launched_at: float
    verdict: DriftVerdict
    assurance: Evidence = Evidence.CONTROL_PLANE
    reasons: tuple[DriftReason, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The reasons and what could not be seen, on one line."""
        unseen = (f"unknown: {each}" for each in self.unknown)
        return "; ".join((*map(str, self.reasons), *unseen))

    @property
    def only_old(self) -> bool:
        """Whether nothing is wrong with it but its age."""
        return all(reason.code is DriftCode.OVER_AGE for reason in self.reasons)

    @property
    def only_rotated(self) -> bool:
        """Whether nothing is wrong with it but secrets that were rotated since."""
        return all(reason.code is DriftCode.SECRET for reason in self.reasons)


@frozen
class DriftReport:
    """How far a fleet is what its revision says.

    Attributes:
        fleet: The fleet's address.
        at: When that was true, by the backend's clock.
        findings: One for each instance, the oldest first.
        strays: What is no member and looks like one.
        checked: What was looked at.
        unseen: What can't be seen, as words: no verdict says anything about it.
        max_age: How old an instance may become, in seconds; None for any age.
    """

    fleet: str
    at: float
    findings: tuple[Finding, ...]
    strays: tuple[Stray, ...] = ()
    checked: tuple[DriftCode, ...] = ()
    unseen: tuple[str, ...] = ()
    max_age: float | None = None

    def of(self, verdict: DriftVerdict) -> tuple[Finding, ...]:
        """Return the findings with a verdict."""
        return tuple(each for each in self.findings if each.verdict is verdict)

    @property
    def verdict(self) -> DriftVerdict:
        """What it comes to: drifted if anything is, else unknown if anything is."""
        if self.strays or self.of(DriftVerdict.DRIFTED):
            return DriftVerdict.DRIFTED
        return DriftVerdict.UNKNOWN if self.of(DriftVerdict.UNKNOWN) else DriftVerdict.OK

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: DriftReport) -> Iterator[str]:
    counts = ", ".join(f"{len(report.of(each))} {each.value}" for each in DriftVerdict)
    yield f"{report.fleet}: {report.verdict.value} ({counts})"
    for each in report.findings:
        if each.verdict is not DriftVerdict.OK:
            yield f"{each.instance} r{each.revision} {each.verdict.value}: {each.why}"
    for stray in report.strays:
        yield f"{stray.id} is no member: {stray.found}"
    yield f"looked at: {', '.join(each.value for each in report.checked) or 'nothing'}"
    for words in report.unseen:
        yield f"can't be seen: {words}"
