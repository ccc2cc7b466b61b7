"""Where an instance finds its references: in its environment, in a file, or told by its cloud."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.secrets.references import SecretRef, name_flaw

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "VARIABLE", "Found", "found"]

VARIABLE = "IMMUTABLE_SECRETS"
"""The environment variable that holds the references themselves, as JSON."""
FILE_VARIABLE = "IMMUTABLE_SECRETS_FILE"
"""The environment variable that names a file with them, or a metadata service."""
DEFAULT_FILE = "/etc/immutable/secrets.json"
"""Where the backends' user data puts them."""


@frozen
class Found:
    """The references of an instance.

    Attributes:
        refs: By name.
        where: Where they were found; empty when nothing was.
        sought: Where they were looked for.
    """

    refs: Mapping[str, SecretRef]
    where: str
    sought: str


def found(
    file: str | None,
    environ: Mapping[str, str],
    *,
    deadline: float,
    tell: Callable[[str], None],
) -> Found:
    """Return the references of this instance; none when there is no place that has any.

    Args:
        file: The file that the user named, or ``metadata://`` and a cloud; None for the variables,
            then the default file.
        environ: The environment.
        deadline: Seconds for which a metadata service is waited for.
        tell: Is told what is waited for, and that a metadata service has none.

    Raises:
        InvalidValue: What is there is no JSON object of names and references; nothing of it is
            repeated.
        OSError: The file can't be read, but not because it isn't there.
        Transient: The metadata service doesn't answer.
    """
    if file is None and VARIABLE in environ:
        return Found(_refs(environ[VARIABLE], f"${VARIABLE}"), f"${VARIABLE}", f"${VARIABLE}")
    place = file or environ.get(FILE_VARIABLE) or DEFAULT_FILE
    if place.startswith("metadata://"):
        # Imported on first use: it takes as long as all else that the guest needs.
        from immutable.guest.metadata import told

        text = told(place, environ, deadline=deadline, tell=tell)
        if not text.strip():
            tell(f"{place} has no references of secrets: none given")
        return Found(_refs(text, place), place, place)
    if not os.path.exists(place):
        return Found({}, "", place)
    with open(place, encoding="utf-8") as opened:
        return Found(_refs(opened.read(), place), place, place)


def _refs(text: str, where: str) -> dict[str, SecretRef]:
    try:
        data = json.loads(text) if text.strip() else {}
    except ValueError:
        data = None
    if not isinstance(data, dict) or not all(isinstance(each, str) for each in data.values()):
        reason = "holds no JSON object of names and references"
        raise InvalidValue("references", where, reason, 'write {"DB": "file:///run/keys/db"}')
    for name in data:
        if flaw := name_flaw(name):
            raise InvalidValue("references", where, flaw)
    return {name: SecretRef.parse(uri) for name, uri in data.items()}
