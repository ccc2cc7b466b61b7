"""Every error that the SDK raises, and what each one asks of its catcher.

::

    ImmutableError
    ├── InvalidValue            a value that was passed in is wrong; says which, why and the way out
    ├── PlanRefused             what would stop the plan, all problems at once
    ├── PlanStale               the fleet is no longer what the plan was made for
    ├── FleetNotFound           no fleet of that name is visible
    ├── FleetBusy               another rollout runs on the fleet
    ├── NothingToRecover        no unfinished rollout on the fleet
    ├── OrphanedRollout         the fleet shows a rollout that the journal doesn't know
    ├── RolloutEnded            a rollout that did not succeed; carries its Result
    │   ├── RolledBack          the fleet is as it was before           (these four are defined
    │   ├── RolloutFailed       the fleet is neither; lists what is left  beside ``Result``, in
    │   └── RolloutCancelled    stopped on request and left as it is    ``immutable.model.result``)
    ├── SecretsFound            what was to be handed out holds secrets, or nobody knows
    ├── BuildFailed             an image could not be built; what was begun is removed
    ├── BuildBusy               somebody else is building the same image now
    ├── CatalogRefused          what would make the catalog of images say what is not so
    ├── JournalError            the journal can't be read or written
    │   └── LeaseLost           another controller owns the rollout now
    ├── RegistryError           a backend, a builder, or a metric source, can't be found or loaded
    ├── NotTrusted              a signature, or what it stands for, does not hold; says which way
    ├── MetricError             a metric source has no figures that can be judged
    └── BackendError            what a cloud answered, by what the engine must do about it
        ├── Gone                it does not exist (any more): done
        ├── Throttled           same call again, after ``retry_after``
        ├── Transient           same call again; its outcome may be unknown
        ├── Conflict            the world is not what the call expected: observe again
        ├── CapacityShortage    the cloud has no room: wait, then go back
        ├── QuotaExceeded       the account has no room: wait, then go back
        ├── Denied              not allowed: stop now
        └── Invalid             can never work: stop now

A backend chains the cloud SDK's own error as ``__cause__`` and never lets it escape.
"""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = [
    "BackendError",
    "BuildBusy",
    "BuildFailed",
    "CapacityShortage",
    "CatalogRefused",
    "Conflict",
    "Denied",
    "FleetBusy",
    "FleetNotFound",
    "Gone",
    "ImmutableError",
    "Invalid",
    "InvalidValue",
    "JournalError",
    "LeaseLost",
    "MetricError",
    "NotTrusted",
    "NothingToRecover",
    "OrphanedRollout",
    "PlanRefused",
    "PlanStale",
    "Problem",
    "QuotaExceeded",
    "RegistryError",
    "SecretsFound",
    "Throttled",
    "Transient",
]


class ImmutableError(Exception):
    """The root: catching it catches everything that the SDK raises by intention."""


@define(eq=False)
class InvalidValue(ImmutableError, ValueError):
    """A value that was passed in can't be used.

    Attributes:
        name: The parameter or field.
        value: What was passed.
        reason: Why it can't be used.
        way_out: What to pass instead.
    """

    name: str
    value: object
    reason: str
    way_out: str = ""

    def __str__(self) -> str:
        sentence = f"{self.name}={self.value!r}: {self.reason}"
        return f"{sentence}; {self.way_out}" if self.way_out else sentence


@frozen
class Problem:
    """One thing that would stop a plan, found before anything was touched.

    Attributes:
        what: The problem, naming the resource.
        way_out: What the user can do about it.
    """

    what: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.way_out}" if self.way_out else self.what


@define(eq=False)
class PlanRefused(ImmutableError):
    """The plan can't be carried out; nothing has been touched.

    Attributes:
        problems: Everything that stands in the way, not only the first.
    """

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "the plan is refused:\n" + "\n".join(f"  - {problem}" for problem in self.problems)


@define(eq=False)
class PlanStale(ImmutableError):
    """The fleet is no longer what the plan was made for; make a new plan.

    Attributes:
        differences: What changed since, in words.
    """

    differences: tuple[str, ...]

    def __str__(self) -> str:
        return "the plan is stale, make a new one: " + "; ".join(self.differences)


@define(eq=False)
class FleetNotFound(ImmutableError, LookupError):
    """No fleet of that name is visible at that address.

    Attributes:
        address: Where it was looked for.
        visible: The fleets that are there.
    """

    address: str
    visible: tuple[str, ...] = ()

    def __str__(self) -> str:
        others = ", ".join(self.visible) or "none"
        return f"no fleet at {self.address}; visible there: {others}"


@define(eq=False)
class FleetBusy(ImmutableError):
    """Another rollout runs on the fleet; one fleet has one rollout at a time.

    Attributes:
        fleet: The fleet's address.
        rollout: The identifier of the rollout that runs.
        way_out: What to do about it.
    """

    fleet: str
    rollout: str
    way_out: str = "wait for it, abort it, or recover it if its controller died"

    def __str__(self) -> str:
        return f"rollout {self.rollout} runs on {self.fleet}; {self.way_out}"


@define(eq=False)
class NothingToRecover(ImmutableError, LookupError):
    """The journal knows of no unfinished rollout on the fleet.

    Attributes:
        fleet: The fleet's address.
    """

    fleet: str

    def __str__(self) -> str:
        return f"no unfinished rollout on {self.fleet}"


@define(eq=False)
class OrphanedRollout(ImmutableError):
    """The fleet's groups show a rollout that the journal doesn't know.

    Its journal is another one, or lost; and whether its controller is alive, only its user knows.

    Attributes:
        fleet: The fleet's address.
        rollout: The rollout's identifier.
        plan: The digest of its plan; empty where the backend doesn't tell.
        found: What there is of it, in words.
        ways_out: What can be done about it.
    """

    fleet: str
    rollout: str
    plan: str
    found: tuple[str, ...]
    ways_out: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"the journal doesn't know rollout {self.rollout}, which has changed {self.fleet}"]
        lines += [f"  - {sentence}" for sentence in self.found]
        lines += ["if its controller is gone for good:", *(f"  - {way}" for way in self.ways_out)]
        return "\n".join(lines)


@define(eq=False)
class SecretsFound(ImmutableError):
    """What was to become an image holds secrets, or was not looked at; nothing has been made.

    Attributes:
        image: The image's name and version.
        found: What was found, or skipped, a sentence each; never a secret.
        way_out: What can be done about it.
    """

    image: str
    found: tuple[str, ...]
    way_out: str

    def __str__(self) -> str:
        lines = "\n".join(f"  - {each}" for each in self.found)
        return f"{self.image} was not built:\n{lines}\n{self.way_out}"


@define(eq=False)
class BuildFailed(ImmutableError):
    """An image could not be built; what was begun is removed.

    Attributes:
        image: The image's name and version.
        build: The build's identifier, as the journal knows it.
        reason: Why.
        left: What could not be removed, and what to do about it; empty if all was.
    """

    image: str
    build: str
    reason: str
    left: str = ""

    def __str__(self) -> str:
        left = f"; {self.left}" if self.left else ""
        return f"{self.image} was not built: {self.reason} (build {self.build}){left}"


@define(eq=False)
class BuildBusy(ImmutableError):
    """Somebody else is building the same image now; one specification has one build at a time.

    Attributes:
        image: The image's name and version.
        build: The identifier of the build that is under way.
    """

    image: str
    build: str

    def __str__(self) -> str:
        return (
            f"{self.image} is being built by somebody else (build {self.build});"
            " wait for it and ask again"
        )


@define(eq=False)
class CatalogRefused(ImmutableError):
    """A change of the catalog of images that its rules forbid; nothing was changed.

    Attributes:
        reason: Why, naming the version or the channel.
        way_out: What can be done about it.
    """

    reason: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {self.way_out}" if self.way_out else self.reason


class JournalError(ImmutableError):
    """The journal can't be read or written; nothing is done that isn't recorded first."""


class LeaseLost(JournalError):
    """Another controller owns the rollout now; this one must not touch the fleet again."""


class RegistryError(ImmutableError):
    """A backend, a builder, or a metric source, can't be found or loaded."""


@define(eq=False)
class NotTrusted(ImmutableError):
    """A signature, or what it stands for, does not hold: nothing is done on its word.

    Attributes:
        flaw: What is wrong, as one of `immutable.trust.Flaw`, for programs.
        reason: What is wrong, for people; names the key, the digest or the place.
        way_out: What can be done about it.
    """

    flaw: str
    reason: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {self.way_out}" if self.way_out else self.reason


class MetricError(ImmutableError):
    """A metric source has no figures that can be judged; its gate says ERROR."""


@define(eq=False)
class BackendError(ImmutableError):
    """What a cloud answered; the subclass says what the engine must do about it.

    Attributes:
        message: What happened, naming the resource; never a secret.
    """

    message: str

    def __str__(self) -> str:
        return self.message


class Gone(BackendError):
    """It does not exist (any more). For ``retire`` and ``delete_revision`` that is success."""


@define(eq=False)
class Throttled(BackendError):
    """Too many calls. The same call is made again after a while.

    Attributes:
        retry_after: Seconds that the cloud asked to wait, if it said so.
    """

    retry_after: float | None = field(default=None, kw_only=True)


class Transient(BackendError):
    """The call may or may not have taken effect. The same call, same token, is made again."""


@define(eq=False)
class Conflict(BackendError):
    """The world is not what the call expected. The engine observes and decides again.

    Attributes:
        owner: The rollout that owns the thing, when that is the reason.
    """

    owner: str | None = field(default=None, kw_only=True)


@define(eq=False)
class CapacityShortage(BackendError):
    """The cloud has no room now. The engine waits with growing pauses until its deadline.

    Attributes:
        zone: Where there is no room; None when it is everywhere.
    """

    zone: str | None = field(default=None, kw_only=True)


class QuotaExceeded(BackendError):
    """The account's limit is reached. Handled as a shortage: others may free what they hold."""


class Denied(BackendError):
    """Not permitted. The rollout stops and goes back."""


class Invalid(BackendError):
    """Can never work as asked. The rollout stops and goes back."""
