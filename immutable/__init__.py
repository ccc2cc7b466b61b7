"""Immutable infrastructure: servers are never patched, they are replaced.

The names here are all that a user needs. Authors of backends use `immutable.backend`; tests use
`immutable.testing` and `immutable.memory`.
"""

import typing as _typing

if _typing.TYPE_CHECKING:
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

_HOMES = {
    "immutable.errors": (
        "BackendError",
        "FleetBusy",
        "FleetNotFound",
        "ImmutableError",
        "InvalidValue",
        "JournalError",
        "NothingToRecover",
        "PlanRefused",
        "PlanStale",
        "Problem",
        "RegistryError",
    ),
    "immutable.fleet": ("Fleet", "ImageLike"),
    "immutable.journal": ("Journal", "open_journal"),
    "immutable.model": (
        "Event",
        "FleetState",
        "Image",
        "Instance",
        "Limits",
        "Plan",
        "Result",
        "Revision",
        "RolledBack",
        "RolloutCancelled",
        "RolloutEnded",
        "RolloutFailed",
        "RolloutStatus",
        "RuntimeConfig",
        "SecretRef",
        "Status",
        "Strategy",
    ),
    "immutable.model.serial": ("digest", "dump_plan", "load_plan"),
    "immutable.rollout": ("Rollout",),
    "immutable.scripting": ("replace",),
    "immutable.strategies": ("BlueGreen", "Canary", "Rolling"),
}
"""Where each name is. It is imported when it is asked for: `immutable exec`, in an instance that is
starting, shall not wait for an engine that it doesn't use."""


def __getattr__(name: str) -> _typing.Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(module), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
