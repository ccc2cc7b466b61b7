"""Finding a backend by the scheme of a fleet's URL; a metric source or a builder by its name.

They are separate distributions that name their class in the entry-point groups
``immutable.backends``, ``immutable.metrics`` and ``immutable.builders``. Only the one that is asked
for is loaded, so a broken one hurts nobody else.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from immutable.backend import Backend, MetricSource
from immutable.errors import RegistryError
from immutable.plugins import installed, load, origin, plugin_class, same_contract

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


def register(name: str, backend: type[Backend]) -> None:
    """Make *backend* known under a scheme in this process, before any installed one."""
    _registered[name] = backend


def names() -> tuple[str, ...]:
    """Return the schemes that can be used, without loading anything."""
    return tuple(sorted({*_registered, *installed(GROUP).names}))


def plugins(group: str) -> tuple[str, ...]:
    """Return the names that are installed in an entry-point group, without loading anything."""
    return tuple(sorted({*installed(group).names}))


def backend_class(name: str) -> type[Backend]:
    """Return the backend for URLs of scheme *name*, importing it on first use.

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    if name not in _registered:
        _registered[name] = _backend(name)
    return _registered[name]


def _backend(name: str) -> type[Backend]:
    found = installed(GROUP).select(name=name)
    if not found:
        known = ", ".join(names()) or "none"
        near = get_close_matches(name, names(), n=1)
        meant = f" did you mean {near[0]}://? Else" if near else ""
        raise RegistryError(
            f"no backend for {name}:// is installed (there are: {known});"
            f"{meant} try: pip install immutable-{name}"
        )
    what, loaded = f"the backend for {name}://", load(found, f"{name}://")
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise RegistryError(f"{what} is {loaded!r}, not a Backend class")
    same_contract(getattr(loaded, "contract", None), "the backend", what, origin(found[name]))
    lacking = sorted(getattr(loaded, "__abstractmethods__", ()))
    if lacking:
        raise RegistryError(f"{what}, {loaded.__qualname__}, lacks {', '.join(lacking)}")
    return loaded


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
    kind: type[MetricSource] = plugin_class(
        METRICS, name, f"metric source {name}", "MetricSource", needed, also=("backend",)
    )
    return kind


def builder_class(name: str) -> Any:
    """Return the builder of images of that name (`immutable.builders.Builder`).

    Raises:
        RegistryError: Not installed, installed twice, broken, or for another contract.
    """
    needed = ("for_backend", "plan", "build", "present", "cleanup")
    return plugin_class(BUILDERS, name, f"builder {name}", "Builder", needed)
