"""The words of the SDK as frozen values: no input or output, nothing but data and its rules."""

from immutable.errors import Problem
from immutable.model.actions import (
    Action,
    Create,
    Delete,
    Grow,
    HoldGroup,
    Release,
    Reroute,
    Retire,
    Settle,
    Snapshot,
)
from immutable.model.capabilities import Capabilities, Rate
from immutable.model.clock import Clock, LoopClock, SystemClock
from immutable.model.context import Context
from immutable.model.fleet import (
    FleetState,
    Group,
    Hold,
    Instance,
    InstanceState,
    Origin,
    Pool,
    Trouble,
    TroubleKind,
)
from immutable.model.frozenmap import FrozenMap
from immutable.model.gates import (
    Analysis,
    Approval,
    Check,
    Gate,
    Health,
    Reaction,
    Reactions,
    Verdict,
)
from immutable.model.image import (
    Assurance,
    Image,
    ImageLike,
    ImageState,
    Revision,
    RuntimeConfig,
)
from immutable.model.limits import Limits, OnProtected
from immutable.model.plan import Bounds, Plan, PlanKind
from immutable.model.quantities import Count, Duration
from immutable.model.records import Event, Order, Record
from immutable.model.result import (
    Result,
    RolledBack,
    RolloutCancelled,
    RolloutEnded,
    RolloutFailed,
    RolloutStatus,
    Status,
)
from immutable.model.steps import Bake, Commit, Renew, Resize, Route, Shift, Step, Strategy
from immutable.model.traffic import Reading, Traffic
from immutable.model.url import FleetURL
from immutable.model.volumes import Slot, Stateful, Volume
from immutable.secrets.references import SecretRef
from immutable.secrets.value import Secret

__all__ = [
    "Action",
    "Analysis",
    "Approval",
    "Assurance",
    "Bake",
    "Bounds",
    "Capabilities",
    "Check",
    "Clock",
    "Commit",
    "Context",
    "Count",
    "Create",
    "Delete",
    "Duration",
    "Event",
    "FleetState",
    "FleetURL",
    "FrozenMap",
    "Gate",
    "Group",
    "Grow",
    "Health",
    "Hold",
    "HoldGroup",
    "Image",
    "ImageLike",
    "ImageState",
    "Instance",
    "InstanceState",
    "Limits",
    "LoopClock",
    "OnProtected",
    "Order",
    "Origin",
    "Plan",
    "PlanKind",
    "Pool",
    "Problem",
    "Rate",
    "Reaction",
    "Reactions",
    "Reading",
    "Record",
    "Release",
    "Renew",
    "Reroute",
    "Resize",
    "Result",
    "Retire",
    "Revision",
    "RolledBack",
    "RolloutCancelled",
    "RolloutEnded",
    "RolloutFailed",
    "RolloutStatus",
    "Route",
    "RuntimeConfig",
    "Secret",
    "SecretRef",
    "Settle",
    "Shift",
    "Slot",
    "Snapshot",
    "Stateful",
    "Status",
    "Step",
    "Strategy",
    "SystemClock",
    "Traffic",
    "Trouble",
    "TroubleKind",
    "Verdict",
    "Volume",
]
