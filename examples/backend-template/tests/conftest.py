"""One Acme for all tests; each test has fleets of its own there."""

from __future__ import annotations

import pytest
from cloud import Cloud, serve


@pytest.fixture(scope="session")
def acme():
    """Return a cloud that is served, and its host."""
    cloud = Cloud()
    server = serve(cloud)
    yield cloud, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
