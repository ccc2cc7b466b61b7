"""``python -m immutable``: the command."""

from immutable.cli import main

main()
