"""``immutable exec`` among the other commands; the guest's own part does it."""

from __future__ import annotations

import click

from immutable.guest.command import HELP, run

__all__ = ["exec_"]


class _Untouched(click.Command):
    """A command whose words are read by somebody else, ``--`` included."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []


@click.command("exec", cls=_Untouched, help=HELP)
@click.pass_context
def exec_(ctx: click.Context) -> None:
    """Run a command with the secrets of this instance."""
    ctx.exit(run(ctx.args))
