"""Whether the secrets that a revision refers to are there: asked of who keeps them, never a value."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from attrs import frozen

from immutable.errors import (
    BackendError,
    Denied,
    Gone,
    Invalid,
    InvalidValue,
    Problem,
    RegistryError,
)
from immutable.model import SecretRef
from immutable.secrets.references import name_flaw
from immutable.secrets.resolving import SecretResolver, resolver_for

__all__ = ["Known", "known"]


@frozen
class Known:
    """What is known of secrets.

    Attributes:
        problems: Why instances could not be given one.
        notes: What nobody could tell from here, in words.
        current: The version that each reference stands for now, by name, where that is known.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    current: Mapping[str, str] = {}


async def known(secrets: Mapping[str, SecretRef]) -> Known:
    """Return what resolvers that are installed here tell of secrets; without reading any value."""
    if not secrets:
        return Known()
    return await asyncio.to_thread(_known, dict(secrets))


def _known(secrets: dict[str, SecretRef]) -> Known:
    problems: list[Problem] = []
    notes: list[str] = []
    current: dict[str, str] = {}
    for scheme in sorted({ref.scheme for ref in secrets.values()}):
        mine = {name: ref for name, ref in secrets.items() if ref.scheme == scheme}
        sound = {
            name: ref for name, ref in mine.items() if not (flaws := _flaws(name, ref, problems))
        }
        del flaws
        try:
            resolver = resolver_for(scheme)
        except RegistryError as error:
            notes += [f"secret {name} can't be checked here: {error}" for name in sound]
            continue
        for name, ref in sound.items():
            _ask(resolver, name, ref, problems, notes, current)
        resolver.close()
    return Known(tuple(problems), tuple(notes), current)
