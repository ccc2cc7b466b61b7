"""Finding a backend by the scheme of a fleet's URL; a metric source or a builder by its name.

They are separate distributions that name their class in the entry-point groups
``immutable.backends``, ``immutable.metrics`` and ``immutable.builders``. Only the one that is asked
for is loaded, so a broken one hurts nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immutable.backend import CONTRACT, Backend, MetricSource
from immutable.errors import RegistryError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

__all__ = [
    "BUILDERS",
    "GROUP",
    "METRICS",
    "backend_class",
    "builder_class",
    "metric_class",
    "metric_source",
    "names",
    "plugins",
    "register",
]

GROUP = "immutable.backends"
"""The entry-point group of backends."""

METRICS = "immutable.metrics"
"""The entry-point group of metric sources."""

BUILDERS = "immutable.builders"
"""The entry-point group of builders of images."""

_registered: dict[str, type[Backend]] = {}


def _installed(group: str = GROUP) -> EntryPoints:
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


def register(name: str, backend: type[Backend]) -> None:
    """Make *backend* known under a scheme in this process, before any installed one."""
    _registered[name] = backend


def names() -> tuple[str, ...]:
    """Return the schemes that can be used, without loading anything."""
    return tuple(sorted({*_registered, *_installed().names}))


def plugins(group: str) -> tuple[str, ...]:
    """Return the names that are installed in an entry-point group, without loading anything."""
    return tuple(sorted({*_installed(group).names}))


def backend_class(name: str) -> type[Backend]:
    """Return the backend for URLs of scheme *name*, importing it on first use.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    if name not in _registered:
        _registered[name] = _backend(name)
    return _registered[name]


def _backend(name: str) -> type[Backend]:
    found = _installed().select(name=name)
    if not found:
        known = ", ".join(names()) or "none"
        raise RegistryError(
            f"no backend for {name}:// is installed (there are: {known});"
            f" try: pip install immutable-{name}"
        )
    what, loaded = f"the backend for {name}://", _load(found, f"{name}://")
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise RegistryError(f"{what} is {loaded!r}, not a Backend class")
    _same_contract(getattr(loaded, "contract", None), "the backend", what, _origin(found[name]))
    lacking = sorted(getattr(loaded, "__abstractmethods__", ()))
    if lacking:
        raise RegistryError(f"{what}, {loaded.__qualname__}, lacks {', '.join(lacking)}")
    return loaded


def _load(found: EntryPoints, claim: str) -> Any:
    """Return what the one entry point names.

    Raises:
        RegistryError: There are several, or it can't be imported.
    """
    origins = {(point.value, _origin(point)): point for point in found}
    if len(origins) > 1:
        both = " and ".join(sorted(origin or value for value, origin in origins))
        raise RegistryError(f"{both} both claim {claim}; uninstall one of them")
    point = next(iter(found))
    try:
        return point.load()
    except KeyboardInterrupt:
        raise  # The user's, who waits for a slow import.
    except BaseException as error:
        # Also SystemExit and the like: no plugin ends the process of somebody else.
        source = _origin(point) or point.value
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise RegistryError(
            f"{claim} can't be used: {source} can't be imported: {reason};"
            " reinstall it, or tell its authors"
        ) from error


def _origin(point: EntryPoint) -> str:
    """Return the distribution that an entry point came with; empty where nobody knows."""
    return (point.dist.name if point.dist else "") or ""


def _same_contract(contract: object, kind: str, what: str, origin: str) -> None:
    if not isinstance(contract, int):
        raise RegistryError(f"{what} states no contract; write contract = {CONTRACT}")
    if contract == CONTRACT:
        return
    older, name = ("the SDK", "immutable-sdk") if contract > CONTRACT else (kind, origin)
    raise RegistryError(
        f"{what} is written for contract {contract}, this SDK has {CONTRACT}; upgrade {older}"
        f"{f': pip install --upgrade {name}' if name else ''}"
    )


def metric_source(source: str) -> MetricSource:
    """Return the metric source that ``name:address`` names, importing it on first use.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
        InvalidValue: The address makes no sense.
    """
    name, _, address = source.partition(":")
    return metric_class(name).from_address(address)


def metric_class(name: str) -> type[MetricSource]:
    """Return the class of the metric sources of that name.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    needed = ("from_address", "read", "close")
    kind: type[MetricSource] = _plugin(
        METRICS, name, "metric source", "MetricSource", needed, also=("backend",)
    )
    return kind


def builder_class(name: str) -> Any:
    """Return the builder of images of that name (`immutable.builders.Builder`).

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    needed = ("for_backend", "plan", "build", "present", "cleanup")
    return _plugin(BUILDERS, name, "builder", "Builder", needed)


def _plugin(
    group: str,
    name: str,
    kind: str,
    protocol: str,
    needed: tuple[str, ...],
    *,
    also: tuple[str, ...] = (),
) -> Any:
    """Return the class of a plug-in by its name, importing it on first use."""
    installed = _installed(group)
    found = installed.select(name=name)
    if not found:
        known = ", ".join(sorted({*also, *installed.names})) or "none"
        raise RegistryError(f"no {kind} {name} is installed (there are: {known})")
    what = f"the {kind} {name}"
    loaded = _load(found, what)
    lacking = [each for each in needed if not hasattr(loaded, each)]
    if not isinstance(loaded, type) or lacking:
        reason = f"it has no {', '.join(lacking)}" if lacking else "it is no class"
        raise RegistryError(f"{what} is {loaded!r}, not a {protocol}: {reason}")
    contract = getattr(loaded, "contract", CONTRACT)
    _same_contract(contract, f"the {kind}", what, _origin(found[name]))
    return loaded
