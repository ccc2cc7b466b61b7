"""A revision's settings as files that a server's init system and programs read. Pure."""

from __future__ import annotations

import json

from immutable.backend import RuntimeConfig

__all__ = ["environment_file", "secrets_file"]


# {"LEVEL": 'a"b'}: LEVEL="a\"b" and a line's end.
def environment_file(config: RuntimeConfig) -> str:
    """Return the environment in the form that systemd's ``EnvironmentFile=`` reads."""
    return "".join(f'{name}="{_quoted(value)}"\n' for name, value in config.environment.items())


def secrets_file(config: RuntimeConfig) -> str:
    """Return the references of secrets as JSON, by name; the secrets themselves are nowhere."""
    refs = {name: ref.uri for name, ref in config.secrets.items()}
    return json.dumps(refs, sort_keys=True)


def _quoted(value: str) -> str:
    return "".join(f"\\{letter}" if letter in '"\\$`' else letter for letter in value)
