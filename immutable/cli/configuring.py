"""Options that change what instances are told, and what becomes of a configuration by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from immutable.cli.options import settings_from
from immutable.errors import InvalidValue
from immutable.model import RuntimeConfig, SecretRef
from immutable.secrets.references import FORMS, name_flaw

__all__ = ["asked", "configured", "references", "secret_option", "unset_option"]

F = TypeVar("F", bound=Callable[..., Any])

secret_option = click.option(
    "--secret", multiple=True, metavar="NAME=REF",
    help="Where a secret of the instances is kept: DB=aws-sm://prod/db#password. Never its value."
    " Repeatable.",
)  # fmt: skip
unset_option = click.option(
    "--unset", multiple=True, metavar="NAME",
    help="Leave out this setting, or this secret, that instances have now; repeatable.",
)  # fmt: skip


def references(words: tuple[str, ...]) -> dict[str, SecretRef]:
    """Return ``NAME=REF`` words as references by name.

    Raises:
        InvalidValue: One is none. What may be the secret itself is not repeated.
    """
    found = {}
    for word in words:
        name, equals, uri = word.partition("=")
        if not equals or "://" in name:
            reason, way_out = "no name of a secret before =", "write NAME=scheme://path"
            raise InvalidValue("--secret", "…", reason, way_out)
        if flaw := name_flaw(name):
            raise InvalidValue("--secret", name, flaw)
        if "://" not in uri:
            known = ", ".join(f"{each}://" for each in FORMS)
            reason = "is followed by no reference; a secret's value has no place in a command"
            raise InvalidValue("--secret", name, reason, f"write where it is kept: {known} …")
        found[name] = SecretRef.parse(uri)
    return found


def configured(
    current: RuntimeConfig, env: tuple[str, ...], options: Mapping[str, Any]
) -> RuntimeConfig:
    """Return a configuration as the options change it.

    Raises:
        InvalidValue: One makes no sense, or leaves out what isn't there.
    """
    given = settings_from(env, options.get("allow_secret", ()))
    environment = {**current.environment, **given}
    secrets = {**current.secrets, **references(options.get("secret", ()))}
    for name in options.get("unset", ()):
        if name not in environment and name not in secrets:
            known = ", ".join(sorted({*environment, *secrets})) or "none"
            raise InvalidValue("--unset", name, "the fleet has no such setting or secret",
                               f"there are: {known}")  # fmt: skip
        environment.pop(name, None)
        secrets.pop(name, None)
    return RuntimeConfig(environment, secrets)


def asked(env: tuple[str, ...], options: Mapping[str, Any]) -> bool:
    """Whether any option changes a configuration."""
    return bool(env or any(options.get(each) for each in ("allow_secret", "secret", "unset")))
