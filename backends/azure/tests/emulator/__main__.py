"""`python -m backends.azure.tests.emulator`: serve until the input is closed."""

from __future__ import annotations

import argparse
import logging
import secrets
import shutil
from pathlib import Path

from . import routes


def main() -> None:
    """Look at the clients, serve, print the address, then the token and whom to trust."""
    words = argparse.ArgumentParser(description="Azure as far as a rollout can see it, on loopback")
    words.add_argument("--port", type=int, default=0, help="0 takes a free one")
    words.add_argument("--location", default="westeurope")
    words.add_argument("--plain", action="store_true", help="http: for clients that may")
    words.add_argument("--stay", action="store_true", help="serve until killed")
    given = words.parse_args()
    routes.check()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    from tests.emulators.process import stay
    from tests.emulators.serving import serve

    from . import actions  # noqa: F401  Registers every call.
    from .server import ResourceManager
    from .tls import authority
    from .world import World

    world = World(given.location, secrets.token_urlsafe(24))
    context, trusted = (None, "") if given.plain else authority()
    scheme = "http" if given.plain else "https"
    server = serve(ResourceManager(world, routes.load(), scheme), port=given.port, tls=context)
    try:
        stay(server, given.stay, world.token, trusted)
    finally:
        if trusted:
            shutil.rmtree(Path(trusted).parent, ignore_errors=True)


if __name__ == "__main__":
    main()
