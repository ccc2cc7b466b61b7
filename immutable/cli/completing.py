"""The command that lets shells complete words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

_SHELLS = ("bash", "fish", "zsh")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what lets SHELL complete commands, options and their values.

    For bash put into ~/.bashrc: eval "$(immutable completion bash)"; for zsh the same with zsh into
    ~/.zshrc; for fish put it into ~/.config/fish/completions/immutable.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell
    made = kind(ctx.find_root().command, {}, "immutable", "_IMMUTABLE_COMPLETE")
    click.echo(made.source())
