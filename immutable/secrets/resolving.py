"""What reads secrets, where they are kept: the protocol, and finding who keeps it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from immutable.errors import RegistryError
from immutable.plugins import plugin_class
from immutable.secrets.references import SecretRef
from immutable.secrets.value import Secret

__all__ = ["GROUP", "SecretResolver", "resolver_class", "resolver_for"]

GROUP = "immutable.secrets"
"""The entry-point group of resolvers; each is named as the scheme that it is for."""

_OWN = ("env", "file")
"""What the SDK reads itself; a plug-in of such a name is never asked."""

_NEEDED = ("check", "resolve", "close")


@runtime_checkable
class SecretResolver(Protocol):
    """Reads the secrets of one scheme, found by entry point in ``immutable.secrets``.

    A class that is called without arguments. Its methods block: the controller calls them on a
    thread, the guest has nothing else to do. One thread at a time. They give up within seconds and
    don't try again: whoever calls does. They raise subclasses of `BackendError`, which name
    the reference and never a value. A class whose answers depend on the machine that asks says
    ``local = True``: the controller, on another one, asks it nothing. One that was written for
    another contract than the first states it, ``contract = 2``.
    """

    def check(self, ref: SecretRef) -> str:
        """Make sure that a secret is there and may be read, without reading its value.

        Returns:
            The version that *ref* stands for now; empty where nobody can tell without the value.

        Raises:
            Gone: There is none.
            Denied: Its description may not be read.
            Invalid: The reference makes no sense here.
            Transient: Nobody answers.
        """
        ...

    def resolve(self, ref: SecretRef) -> Secret:
        """Return a secret's value, all of it: who called picks the field.

        Called in the guest only, with the instance's own identity.

        Raises:
            Gone: There is none.
            Denied: It may not be read.
            Invalid: The reference makes no sense here.
            Transient: Nobody answers.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def resolver_class(scheme: str) -> type[SecretResolver]:
    """Return the class that reads secrets of a scheme, importing it on first use. Blocks.

    Raises:
        RegistryError: None is installed, two are, it can't be imported, it is for another contract.
    """
    if scheme in _OWN:
        return _own(scheme)
    kind: type[SecretResolver] = plugin_class(
        GROUP, scheme, f"resolver for {scheme}://", "SecretResolver", _NEEDED, also=_OWN
    )
    return kind


def resolver_for(scheme: str) -> SecretResolver:
    """Return the resolver of a scheme, importing it on first use. Blocks.

    Raises:
        RegistryError: As for `resolver_class`; or it can't be made, as without its library.
    """
    kind = resolver_class(scheme)
    try:
        return kind()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        reason = str(error) if isinstance(error, RegistryError) else reason
        raise RegistryError(f"secrets of {scheme}:// can't be read here: {reason}") from error


def _own(scheme: str) -> type[SecretResolver]:
    if scheme == "env":
        from immutable.secrets.env import EnvResolver

        return EnvResolver
    from immutable.secrets.file import FileResolver

    return FileResolver
