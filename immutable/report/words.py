"""What happened, one sentence a record."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import singledispatch

from immutable.model import (
    Action,
    Create,
    Delete,
    Grow,
    HoldGroup,
    Record,
    Release,
    Reroute,
    Retire,
    Settle,
    Snapshot,
)
from immutable.model.catalog import Followed, PlanOffered
from immutable.model.records import (
    Advanced,
    BuildAsked,
    BuildNoted,
    Built,
    CatalogOpened,
    ChannelAssigned,
    Claimed,
    Committed,
    Done,
    Ended,
    Entered,
    Failed,
    Found,
    GlassBroken,
    Intended,
    Judged,
    Ordered,
    Outcome,
    Paused,
    PlanApproved,
    PolicySet,
    Proved,
    Queued,
    Resized,
    Restored,
    Resynced,
    Retired,
    Revoked,
    Ruled,
    Sealed,
    Started,
    Turned,
    VersionAdded,
    Withdrawn,
)

__all__ = ["action_words", "noteworthy", "words"]

_SHOWN_IDS = 5


def action_words(action: Action) -> str:
    """Return what an action does: ``grow r2 to 3``."""
    group = f"r{action.revision}"
    match action:
        case HoldGroup():
            return f"hold {group}"
        case Create():
            return f"create {group}'s group"
        case Grow(_, size):
            return f"grow {group} to {size}"
        case Retire(_, ids):
            return f"retire {len(ids)} of {group}: {_names(ids)}"
        case Settle():
            return f"settle {group} at the members that it has"
        case Reroute(_, weights):
            shares = ", ".join(f"r{number} {share:g} %" for number, share in weights.items())
            return f"route {shares}"
        case Release():
            return f"release {group}"
        case Delete():
            return f"remove {group} from the fleet"
        case Snapshot(_, slot):
            return f"save slot {slot} before a member of {group} gets it"


def _names(ids: tuple[str, ...]) -> str:
    shown = ", ".join(ids[:_SHOWN_IDS])
    return shown if len(ids) <= _SHOWN_IDS else f"{shown} and {len(ids) - _SHOWN_IDS} more"


def noteworthy(record: Record) -> bool:
    """Whether a record is news; that an action went well is not."""
    return not (isinstance(record, Done) and record.outcome is Outcome.DONE)


@singledispatch
def words(record: Record) -> str:
    """Return what a record says, as a sentence."""
    raise TypeError(f"no words for {type(record).__name__}")


@words.register
def _(record: BuildAsked) -> str:
    return f"{record.name}:{record.version} is to be built by {record.builder}"


@words.register
def _(record: BuildNoted) -> str:
    return f"makes {record.name} for a while"


@words.register
def _(record: Built) -> str:
    scan = f"; {record.scan[-1]}" if record.scan else ""
    return f"built, with a manifest of {len(record.manifest.encode())} bytes{scan}"


@words.register
def _(_: CatalogOpened) -> str:
    return "the catalog of images is opened"


@words.register
def _(record: VersionAdded) -> str:
    return f"{record.name}:{record.version} is in the catalog, as {record.digest}"


@words.register
def _(record: ChannelAssigned) -> str:
    way = "goes back to" if record.back else "points at"
    return f"{record.channel} {way} {record.digest}{_why(record.reason)}"


@words.register
def _(record: Revoked) -> str:
    forced = ", though a channel has it" if record.forced else ""
    return f"{record.digest} is revoked{forced}{_why(record.reason)}"


@words.register
def _(record: Restored) -> str:
    return f"{record.digest} is not revoked any more{_why(record.reason)}"


@words.register
def _(record: Retired) -> str:
    return f"{record.digest} is retired{_why(record.reason)}"


@words.register
def _(record: Withdrawn) -> str:
    return f"{record.artifact} is {record.state} in its cloud"


@words.register
def _(record: PolicySet) -> str:
    what = "carries another admission policy" if record.policy else "carries no policy any more"
    return f"{record.fleet} {what}{_why(record.reason)}"


@words.register
def _(record: Followed) -> str:
    what = "follows a channel" if record.following else "follows nothing any more"
    return f"{record.fleet} {what}{_why(record.reason)}"


@words.register
def _(record: PlanOffered) -> str:
    return f"{record.fleet} is offered a plan to go where {record.channel} points"


@words.register
def _(record: GlassBroken) -> str:
    until = datetime.fromtimestamp(record.until, UTC).isoformat(timespec="seconds")
    return f"the policy of {record.fleet} is bypassed until {until}{_why(record.reason)}"


@words.register
def _(record: PlanApproved) -> str:
    return f"signatures under the plan {record.plan} were handed in"


@words.register
def _(record: Ruled) -> str:
    said = "; ".join(str(each) for each in record.rulings) or "no policy"
    bypassed = f" ({record.bypass})" if record.bypass else ""
    return f"the candidate {'may' if record.admitted else 'must not'} be launched{bypassed}: {said}"


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""


@words.register
def _(record: Started) -> str:
    return f"started with {record.wanted} wanted, {record.ready} ready"


@words.register
def _(record: Found) -> str:
    return f"found by the marks on its groups: carried on from step {record.step + 1}"


@words.register
def _(record: Claimed) -> str:
    return f"driven by {record.controller}"


@words.register
def _(record: Intended) -> str:
    return f"{action_words(record.action)} ({record.why})"


@words.register
def _(record: Done) -> str:
    ends = {
        Outcome.DONE: "done",
        Outcome.UNKNOWN: "no answer: it may have taken effect, or may yet",
        Outcome.CONFLICT: "things are not as expected: looking again",
        Outcome.SHORTAGE: "no room now: trying again later",
        Outcome.REFUSED: "refused",
    }
    end = ends[record.outcome]
    return f"{end} ({record.detail})" if record.detail else end


@words.register
def _(record: Advanced) -> str:
    return f"r{record.revision} has size {record.size} now that more of it are ending"


@words.register
def _(record: Resized) -> str:
    return (
        f"somebody else changed r{record.revision} from {record.expected} to {record.found}:"
        f" {record.wanted} wanted from here on"
    )


@words.register
def _(record: Resynced) -> str:
    sizes = ", ".join(f"r{number} of size {size}" for number, size in record.sizes.items())
    return f"sizes taken as they are found: {sizes}"


@words.register
def _(record: Failed) -> str:
    return f"{len(record.ids)} candidate instances {record.why}: {_names(record.ids)}"


@words.register
def _(record: Proved) -> str:
    return f"{record.id} has proven the image: the window opens"


@words.register
def _(record: Entered) -> str:
    return f"step {record.step + 1} begins"


@words.register
def _(record: Judged) -> str:
    said = f"gate {record.gate + 1} says {record.verdict.value}"
    return f"{said}: {record.detail}" if record.detail else said


@words.register
def _(record: Paused) -> str:
    return f"paused: {record.reason}; resume, promote or abort"


@words.register
def _(record: Ordered) -> str:
    said = f"{record.order.value} by {record.actor or 'somebody'}"
    return f"{said}: {record.reason}" if record.reason else said


@words.register
def _(record: Queued) -> str:
    return record.why


@words.register
def _(_: Sealed) -> str:
    return "the data can't go back from here on: a failure stops the rollout"


@words.register
def _(_: Committed) -> str:
    return "point of no return"


@words.register
def _(record: Turned) -> str:
    return f"going back: {record.reason}"


@words.register
def _(record: Ended) -> str:
    end = record.status.value.replace("_", " ")
    reason = f": {record.reason}" if record.reason else ""
    return "\n".join([f"{end}{reason}", *(f"  left: {each}" for each in record.left)])
