"""The ``immutable`` command."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command; the entry point of the ``immutable`` script."""
    if sys.argv[1:2] == ["exec"]:
        # In an instance that is starting: it needs no extra, and nothing else of the command.
        from immutable.guest.command import run

        raise SystemExit(run(sys.argv[2:]))
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        # The extra `cli` brings them; the core does without.
        way_out = "install it with: pip install 'immutable-sdk[cli]'"
        print(f"immutable: {' and '.join(missing)} missing; {way_out}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1)
    from immutable.cli.commands import cli

    if "" not in sys.path:
        # Checks may lie where the command is typed; at the end, so that nothing there hides a
        # module that is installed.
        sys.path.append("")
    cli(prog_name="immutable")
