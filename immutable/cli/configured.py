"""The command that says what is configured, and by what."""

from __future__ import annotations

import click

from immutable.cli.options import as_json
from immutable.cli.running import console, fail, show_json
from immutable.cli.settings import KEYS, settled
from immutable.errors import InvalidValue

__all__ = ["config"]


@click.command()
@as_json
def config(*, as_json: bool) -> None:
    """Show what is configured, and which file or variable says so.

    Files are, the nearer ones holding: the user's, immutable/config.toml in $XDG_CONFIG_HOME (by
    default ~/.config); the project's, .immutable.toml or [tool.immutable] in pyproject.toml, here
    or in the nearest directory above. $IMMUTABLE_CONFIG names one file instead of both.
    """
    try:
        found = settled()
    except InvalidValue as error:
        fail(2, str(error))
    if as_json:
        show_json(
            {key: {"value": each.value, "source": each.source} for key, each in found.items()}
        )
        return
    for key in KEYS:
        if key in found:
            console().print(f"{key} = {found[key].value!r}  ({found[key].source})", markup=False)
    if not found:
        console(error=True).print("nothing is configured", markup=False)
