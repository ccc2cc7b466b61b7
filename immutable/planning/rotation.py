"""Versions of secrets: pinning them when a plan is made, and telling that one was rotated. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from immutable.model import Revision, RuntimeConfig

__all__ = ["pinned", "rotated"]


# DB=aws-sm://db, whose current version is v2: DB=aws-sm://db?version=v2. One that names a version
# keeps it; so does one of which nobody can tell the version.
def pinned(config: RuntimeConfig, current: Mapping[str, str]) -> RuntimeConfig:
    """Return a configuration whose references name the versions that are current now.

    Args:
        config: The configuration.
        current: The current version of each secret by its name; empty or missing where nobody can
            tell.
    """
    secrets = {
        name: ref.at(current[name]) if current.get(name) and not ref.version else ref
        for name, ref in config.secrets.items()
    }
    return config if secrets == dict(config.secrets) else evolve(config, secrets=secrets)


# The revision's DB is pinned to v1, v2 is current: ("DB: …",). Not known, or not pinned: nothing.
def rotated(revision: Revision, current: Mapping[str, str]) -> tuple[str, ...]:
    """Return in words which secrets of a revision have a newer version than instances were given.

    Args:
        revision: What the instances run.
        current: As for `pinned`. What is missing is unknown, and no reason for anything.
    """
    return tuple(
        f"{name}: its version {ref.version} is not current any more, {current[name]} is"
        for name, ref in revision.config.secrets.items()
        if ref.version and current.get(name) and current[name] != ref.version
    )
