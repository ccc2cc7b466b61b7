"""What every test gets, a failure when something blocks the event loop; and what it may ask for."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster

from tests.support.blocking import detected
from tests.support.postgres import PostgresServer


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which something blocks the event loop."""
    with detected("immutable") as detector:
        # asyncpg looks for ~/.pgpass, one small file, when it connects.
        for call in ("os.stat", "io.TextIOWrapper.read"):
            detector.functions[call].can_block_in(
                "asyncpg/connect_utils.py", "_parse_connect_dsn_and_args"
            )
        yield detector


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty database on that server, which a test may stop or kill."""
    url = postgres.make_database()
    yield url
    if not postgres.running:
        postgres.start()
    postgres.drop_database(url)
