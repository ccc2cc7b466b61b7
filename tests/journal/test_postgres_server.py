"""The PostgreSQL server that tests use: real, durable, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from tests.support.postgres import PostgresServer


def ask(url: str, *commands: str):
    """Run commands on one connection; returns what the last one says."""

    async def main():
        connection = await asyncpg.connect(url)
        try:
            for command in commands[:-1]:
                await connection.execute(command)
            return await connection.fetchval(commands[-1])
        finally:
            await connection.close()

    return asyncio.run(main())


def of_server(folder: Path) -> list[str]:
    """Processes that have the server's folder in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and entry.name != str(os.getpid()):
            found.append(words.replace(b"\0", b" ").decode())
    return found


def shared_memory() -> set[str]:
    """The identifiers of all segments of this machine."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()
    return {line.split()[1] for line in lines}


def test_it_is_a_real_server_with_full_sync(postgres_url):
    assert ask(postgres_url, "SELECT version()").startswith("PostgreSQL ")
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(postgres_url, f"SHOW {setting}") == "on"


def test_each_test_gets_an_empty_database(postgres, postgres_url):
    ask(postgres_url, "CREATE TABLE t (n int)", "SELECT 1")
    other = postgres.make_database()
    assert ask(other, "SELECT count(*) FROM pg_class WHERE relname = 't'") == 0
    postgres.drop_database(other)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        ask(other, "SELECT 1")


def test_what_was_committed_survives_a_kill_and_what_was_not_does_not(postgres, postgres_url):
    async def main():
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("CREATE TABLE t (n int)")
        await connection.execute("INSERT INTO t VALUES (1)")
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO t VALUES (2)")
        await asyncio.to_thread(postgres.kill)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await connection.execute("COMMIT")
        with pytest.raises(ConnectionError):
            await asyncpg.connect(postgres_url)

    asyncio.run(main())
    assert not postgres.running
    postgres.restart()
    assert ask(postgres_url, "SELECT array_agg(n) FROM t") == [1]


def test_a_restart_in_order_keeps_everything(postgres, postgres_url):
    ask(postgres_url, "CREATE TABLE t (n int)", "SELECT 1")
    postgres.restart()
    assert ask(postgres_url, "SELECT count(*) FROM t") == 0


@pytest.mark.parametrize("killed", [False, True])
def test_it_leaves_no_process_no_directory_and_no_shared_memory(killed):
    with PostgresServer() as server:
        assert of_server(server.folder)
        segment = (server.folder / "data" / "postmaster.pid").read_text().split("\n")[6].split()[1]
        assert segment in shared_memory()
        if killed:
            server.kill()
            assert of_server(server.folder) == []
    assert of_server(server.folder) == []
    assert not server.folder.exists()
    assert segment not in shared_memory()


def test_programs_that_its_user_cannot_reach_are_copied(monkeypatch):
    tried = []
    original = PostgresServer._try

    def fails_once(self, package):
        tried.append(package)
        if len(tried) == 1:
            raise PermissionError
        original(self, package)

    monkeypatch.setattr(PostgresServer, "_try", fails_once)
    with PostgresServer() as server:
        assert tried[1].is_relative_to(server.folder)
        assert server.sql("SELECT 1") == "1"


def test_one_that_does_not_start_says_why():
    server = PostgresServer(max_connections="none")
    with pytest.raises(RuntimeError, match="max_connections"):
        server.__enter__()
    assert not server.folder.exists()
