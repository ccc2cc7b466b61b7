"""`python -m backends.gcp.tests.emulator`: serve until the input is closed."""

from __future__ import annotations

import argparse
import logging

from tests.emulators.process import stay
from tests.emulators.serving import serve


def main() -> None:
    """Check the client, serve, print the address."""
    words = argparse.ArgumentParser(description="Compute Engine on loopback")
    words.add_argument("--port", type=int, default=0, help="0 takes a free one")
    words.add_argument("--region", default="europe-west1")
    words.add_argument("--stay", action="store_true", help="serve until killed")
    given = words.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    from . import schema

    known = schema.load()  # Refuses another client than the one that was read.

    from . import actions  # noqa: F401  Registers every method.
    from .calls import METHODS
    from .server import Front
    from .world import World

    known.has(METHODS)
    stay(serve(Front(World(given.region), known), port=given.port), given.stay)


if __name__ == "__main__":
    main()
