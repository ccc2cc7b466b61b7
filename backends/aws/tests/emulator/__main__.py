"""`python -m backends.aws.tests.emulator`: serve until the input is closed."""

from __future__ import annotations

import argparse
import logging
import os

from tests.emulators.process import stay
from tests.emulators.serving import serve

from . import door


def main() -> None:
    """Check the overlay, serve, print the address."""
    words = argparse.ArgumentParser(description="AWS as far as a rollout can see it, on loopback")
    words.add_argument("--port", type=int, default=0, help="0 takes a free one")
    words.add_argument("--region", default="eu-west-1")
    words.add_argument("--stay", action="store_true", help="serve until killed")
    given = words.parse_args()
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    door.check()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    from . import actions  # noqa: F401  Registers every action.
    from .server import AwsApplication
    from .world import World

    application = AwsApplication(World(given.region))
    stay(serve(application, port=given.port), given.stay)


if __name__ == "__main__":
    main()
