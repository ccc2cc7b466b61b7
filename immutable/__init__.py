"""Immutable infrastructure: servers are never patched, they are replaced.

The names here are all that a user needs. Authors of backends use `immutable.backend`; tests use
`immutable.testing` and `immutable.memory`.
"""

from immutable.errors import (
    BackendError,
    FleetBusy,
    FleetNotFound,
    ImmutableError,
    InvalidValue,
    JournalError,
    NothingToRecover,
    PlanRefused,
    PlanStale,
    Problem,
    RegistryError,
)
from immutable.fleet import Fleet, ImageLike
from immutable.journal import Journal, open_journal
from immutable.model import (
    Event,
    FleetState,
    Image,
    Instance,
    Limits,
    Plan,
    Result,
    Revision,
    RolledBack,
    RolloutCancelled,
    RolloutEnded,
    RolloutFailed,
    RolloutStatus,
    RuntimeConfig,
    SecretRef,
    Status,
    Strategy,
)
from immutable.model.serial import digest, dump_plan, load_plan
from immutable.rollout import Rollout
from immutable.scripting import replace
from immutable.strategies import BlueGreen, Canary, Rolling

__all__ = [
    "BackendError",
    "BlueGreen",
    "Canary",
    "Event",
    "Fleet",
    "FleetBusy",
    "FleetNotFound",
    "FleetState",
    "Image",
    "ImageLike",
    "ImmutableError",
    "Instance",
    "InvalidValue",
    "Journal",
    "JournalError",
    "Limits",
    "NothingToRecover",
    "Plan",
    "PlanRefused",
    "PlanStale",
    "Problem",
    "RegistryError",
    "Result",
    "Revision",
    "RolledBack",
    "Rolling",
    "Rollout",
    "RolloutCancelled",
    "RolloutEnded",
    "RolloutFailed",
    "RolloutStatus",
    "RuntimeConfig",
    "SecretRef",
    "Status",
    "Strategy",
    "digest",
    "dump_plan",
    "load_plan",
    "open_journal",
    "replace",
]
