"""The words of the SDK as frozen values: no input or output, nothing but data and its rules."""

from immutable.errors import Problem
from immutable.model.actions import (
    Action,
    Create,
    Delete,
    Grow,
    HoldGroup,
    Release,
    Retire,
    Settle,
)
from immutable.model.capabilities import Capabilities, Rate
from immutable.model.clock import Clock, LoopClock, SystemClock
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
from immutable.model.image import Assurance, Image, ImageState, Revision, RuntimeConfig, SecretRef
from immutable.model.limits import Limits, OnProtected
from immutable.model.plan import Bounds, Plan, PlanKind
from immutable.model.quantities import Count, Duration
from immutable.model.records import Event, Record
from immutable.model.result import (
    Result,
    RolledBack,
    RolloutCancelled,
    RolloutEnded,
    RolloutFailed,
    RolloutStatus,
    Status,
)
from immutable.model.steps import Commit, Resize, Shift, Step, Strategy
from immutable.model.url import FleetURL

__all__ = [
    "Action",
    "Assurance",
    "Bounds",
    "Capabilities",
    "Clock",
    "Commit",
    "Count",
    "Create",
    "Delete",
    "Duration",
    "Event",
    "FleetState",
    "FleetURL",
    "FrozenMap",
    "Group",
    "Grow",
    "Hold",
    "HoldGroup",
    "Image",
    "ImageState",
    "Instance",
    "InstanceState",
    "Limits",
    "LoopClock",
    "OnProtected",
    "Origin",
    "Plan",
    "PlanKind",
    "Pool",
    "Problem",
    "Rate",
    "Record",
    "Release",
    "Resize",
    "Result",
    "Retire",
    "Revision",
    "RolledBack",
    "RolloutCancelled",
    "RolloutEnded",
    "RolloutFailed",
    "RolloutStatus",
    "RuntimeConfig",
    "SecretRef",
    "Settle",
    "Shift",
    "Status",
    "Step",
    "Strategy",
    "SystemClock",
    "Trouble",
    "TroubleKind",
]
