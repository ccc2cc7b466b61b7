"""``python -m immutable_local STATE RUNTIME IMAGES``: a fleet's supervisor, detached."""

from immutable_local.daemon import main

main()
