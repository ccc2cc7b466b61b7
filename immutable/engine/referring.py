"""Whether secrets that a revision refers to are there: asked of who keeps them, never a value."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from attrs import define, field

from immutable.errors import BackendError, Gone, Invalid, InvalidValue, Problem, RegistryError
from immutable.model import SecretRef
from immutable.secrets.references import name_flaw
from immutable.secrets.resolving import SecretResolver, resolver_for

__all__ = ["Known", "known"]


@define
class Known:
    """What is known of secrets.

    Attributes:
        problems: Why instances could not be given one.
        notes: What nobody could tell from here, in words.
        current: The version that each reference stands for now, by name, where that is known.
    """

    problems: list[Problem] = field(factory=list)
    notes: list[str] = field(factory=list)
    current: dict[str, str] = field(factory=dict)


async def known(secrets: Mapping[str, SecretRef], looked: Collection[str] = ()) -> Known:
    """Return what resolvers that are installed here tell of secrets; reads no value.

    Args:
        secrets: The references, by name.
        looked: Schemes of which a resolver can't tell anything here, and the backend can: it is
            not said of them that nobody looked.
    """
    found = Known()
    if secrets:
        await asyncio.to_thread(_look, dict(secrets), looked, found)
    return found


def _look(secrets: dict[str, SecretRef], looked: Collection[str], found: Known) -> None:
    for scheme in sorted({ref.scheme for ref in secrets.values()}):
        mine = {name: ref for name, ref in secrets.items() if ref.scheme == scheme}
        sound = {name: ref for name, ref in mine.items() if _is_sound(name, ref, found)}
        try:
            resolver = resolver_for(scheme)
        except RegistryError as error:
            found.notes += [f"secret {name} can't be checked here: {error}" for name in sound]
            continue
        try:
            for name, ref in sound.items():
                if not getattr(resolver, "local", False):
                    _ask(resolver, name, ref, found)
                elif scheme not in looked:
                    found.notes.append(f"secret {name} ({ref}) can be checked in an instance only")
        finally:
            resolver.close()


def _is_sound(name: str, ref: SecretRef, found: Known) -> bool:
    try:
        ref.check()
    except InvalidValue as error:
        found.problems.append(Problem(f"secret {name}: {error}"))
        return False
    if flaw := name_flaw(name):
        found.problems.append(Problem(f"secret {flaw}"))
    return not flaw


def _ask(resolver: SecretResolver, name: str, ref: SecretRef, found: Known) -> None:
    try:
        found.current[name] = resolver.check(ref)
    except (Gone, Invalid) as error:
        way_out = "correct the reference, or make the secret"
        found.problems.append(Problem(f"secret {name}: {error}", way_out))
    except BackendError as error:
        # Also when we may not look: the right to read it is the instance's, not ours.
        found.notes.append(f"secret {name} could not be checked: {error}")
    except Exception as error:  # noqa: BLE001  # A plug-in's; its text may hold anything.
        reason = f"its resolver failed ({type(error).__name__})"
        found.notes.append(f"secret {name} ({ref}) could not be checked: {reason}")
