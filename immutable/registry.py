"""Finding a backend by the scheme of a fleet's URL, and a metric source by its name.

They are separate distributions that name their class in the entry-point groups
``immutable.backends`` and ``immutable.metrics``. Only the one that is asked for is loaded, so a
broken one hurts nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immutable.backend import CONTRACT, Backend, MetricSource
from immutable.errors import RegistryError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["GROUP", "METRICS", "backend_class", "metric_source", "names", "register"]

GROUP = "immutable.backends"
"""The entry-point group of backends."""

METRICS = "immutable.metrics"
"""The entry-point group of metric sources."""

_registered: dict[str, type[Backend]] = {}


def _installed(group: str = GROUP) -> EntryPoints:
    # Imported on first use: an eighth of the time that `import immutable` may take.
    from importlib.metadata import entry_points

    return entry_points(group=group)


def register(name: str, backend: type[Backend]) -> None:
    """Make *backend* known under a scheme in this process, before any installed one."""
    _registered[name] = backend


def names() -> tuple[str, ...]:
    """Return the schemes that can be used, without loading anything."""
    return tuple(sorted({*_registered, *_installed().names}))


def backend_class(name: str) -> type[Backend]:
    """Return the backend for URLs of scheme *name*, importing it on first use.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    if name not in _registered:
        _registered[name] = _load(name, _installed().select(name=name))
    return _registered[name]


def _load(name: str, found: EntryPoints) -> type[Backend]:
    sources = {(point.value, point.dist.name if point.dist else "") for point in found}
    if not found:
        known = ", ".join(names()) or "none"
        raise RegistryError(
            f"no backend for {name}:// is installed (there are: {known});"
            f" try: pip install immutable-{name}"
        )
    if len(sources) > 1:
        both = " and ".join(sorted(dist or value for value, dist in sources))
        raise RegistryError(f"{both} both claim {name}://; uninstall one of them")
    try:
        loaded = found[name].load()
    except Exception as error:
        raise RegistryError(f"the backend for {name}:// can't be imported: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise RegistryError(f"the backend for {name}:// is {loaded!r}, not a Backend class")
    contract = getattr(loaded, "contract", None)
    if not isinstance(contract, int):
        raise RegistryError(f"the backend for {name}:// states no contract; write contract = 1")
    if contract != CONTRACT:
        raise RegistryError(
            f"the backend for {name}:// is written for contract {contract}, this SDK has"
            f" {CONTRACT}; upgrade {'the SDK' if contract > CONTRACT else 'the backend'}"
        )
    return loaded


def metric_source(source: str) -> MetricSource:
    """Return the metric source that ``name:address`` names, importing it on first use.

    Raises:
        RegistryError: Not installed, or broken.
        InvalidValue: The address makes no sense.
    """
    name, _, address = source.partition(":")
    installed = _installed(METRICS)
    if name not in installed.names:
        known = ", ".join(sorted({"backend", *installed.names}))
        raise RegistryError(f"no metric source {name} is installed (there are: {known})")
    try:
        kind: type[MetricSource] = installed[name].load()
    except Exception as error:
        raise RegistryError(f"the metric source {name} can't be imported: {error}") from error
    return kind.from_address(address)
