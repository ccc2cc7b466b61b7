"""Plug-ins: finding by name what distributions offer, loading the one that is asked for.

A distribution names its classes in entry-point groups. Only the one that is asked for is imported,
and one that is broken, or whose list of entry points can't be read, hurts nobody else. It imports
next to nothing: `immutable exec` finds resolvers of secrets by it, inside of instances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immutable.errors import RegistryError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

__all__ = ["CONTRACT", "installed", "load", "origin", "plugin_class", "same_contract"]

CONTRACT = 1
"""The version of the contract with plug-ins. Each states the one that it was written for."""


def installed(group: str) -> EntryPoints:
    """Return the entry points of a group, without loading anything."""
    # Imported on first use: an eighth of the time that `import immutable` may take.
    from importlib.metadata import entry_points

    try:
        return entry_points(group=group)
    except Exception:  # noqa: BLE001  # One distribution's garbled list stops that call for all.
        return _readable(group)


def _readable(group: str) -> EntryPoints:
    """Return the entry points of those distributions whose lists can be read."""
    from importlib.metadata import EntryPoints, distributions

    found: dict[tuple[str, str], EntryPoint] = {}
    for each in distributions():
        try:
            points = each.entry_points.select(group=group)
        except Exception:  # noqa: BLE001, S112  # Its own tools complain of it.
            continue
        found |= {(each.name, point.name): point for point in points}
    return EntryPoints(found.values())


def load(found: EntryPoints, claim: str) -> Any:
    """Return what the one entry point of a name stands for, importing it on first use.

    Args:
        found: All that have the name; at least one.
        claim: What they claim to be, for the message of an error.

    Raises:
        RegistryError: There are several, or it can't be imported.
    """
    origins = {(point.value, origin(point)): point for point in found}
    if len(origins) > 1:
        both = " and ".join(sorted(source or value for value, source in origins))
        raise RegistryError(f"{both} both claim {claim}; uninstall one of them")
    point = next(iter(found))
    try:
        return point.load()
    except KeyboardInterrupt:
        raise  # The user's, who waits for a slow import.
    except BaseException as error:
        # Also SystemExit and the like: no plugin ends the process of somebody else.
        source = origin(point) or point.value
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise RegistryError(
            f"{claim} can't be used: {source} can't be imported: {reason};"
            " reinstall it, or tell its authors"
        ) from error


def origin(point: EntryPoint) -> str:
    """Return the distribution that an entry point came with; empty where nobody knows."""
    return (point.dist.name if point.dist else "") or ""


def same_contract(contract: object, kind: str, what: str, source: str) -> None:
    """Make sure that a plug-in is written for the contract that this SDK has.

    Args:
        contract: What it states.
        kind: What has to be upgraded where it is the older one: ``the backend``.
        what: The plug-in, for the message of an error.
        source: Its distribution; empty where nobody knows.

    Raises:
        RegistryError: It is written for another one, or states none.
    """
    if not isinstance(contract, int):
        raise RegistryError(f"{what} states no contract; write contract = {CONTRACT}")
    if contract == CONTRACT:
        return
    older, name = ("the SDK", "immutable-sdk") if contract > CONTRACT else (kind, source)
    raise RegistryError(
        f"{what} is written for contract {contract}, this SDK has {CONTRACT}; upgrade {older}"
        f"{f': pip install --upgrade {name}' if name else ''}"
    )


def plugin_class(
    group: str,
    name: str,
    what: str,
    protocol: str,
    needed: tuple[str, ...],
    *,
    also: tuple[str, ...] = (),
) -> Any:
    """Return the class of a plug-in by its name, importing it on first use.

    Args:
        group: The entry-point group.
        name: Its name there.
        what: What it is, for messages: ``metric source dials``.
        protocol: The protocol that it follows.
        needed: What the protocol has.
        also: Names that are known beside those that are installed.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    there = installed(group)
    found = there.select(name=name)
    if not found:
        known = ", ".join(sorted({*also, *there.names})) or "none"
        raise RegistryError(f"no {what} is installed (there are: {known})")
    loaded = load(found, f"the {what}")
    lacking = [each for each in needed if not hasattr(loaded, each)]
    if not isinstance(loaded, type) or lacking:
        reason = f"it has no {', '.join(lacking)}" if lacking else "it is no class"
        raise RegistryError(f"the {what} is {loaded!r}, not a {protocol}: {reason}")
    kind = what.removesuffix(f" {name}")
    contract = getattr(loaded, "contract", CONTRACT)
    same_contract(contract, f"the {kind}", f"the {what}", origin(found[name]))
    return loaded
