"""Tests that leak the canary, each in its own way: `test_canary` runs them and wants them to fail.

No name here begins with ``test_`` where pytest would find it by itself: the file's name does not.
"""

from __future__ import annotations

import base64
import logging
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from types import SimpleNamespace
from urllib.parse import quote

import click
import pytest
from click.testing import CliRunner

from immutable import Fleet, RuntimeConfig
from immutable.scanning import NotSecret
from immutable.testing import run
from tests.emulators.commands import Commands
from tests.emulators.serving import Application, serve


def test_clean(canary, tmp_path, capsys):
    canary.write(tmp_path / "secret")
    (tmp_path / "log").write_text("no secret in it")
    print("started")  # noqa: T201


def test_printed(canary):
    print("login with", canary.value)  # noqa: T201


def test_printed_by_a_process():
    code = "import os; print(os.environ['PGPASSWORD'])"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)


def test_printed_by_a_command(canary):
    CliRunner().invoke(click.Command("x", callback=lambda: click.echo(canary.value)), [])


def test_logged(canary):
    logging.getLogger("immutable").warning("retrying with %s", canary.value)


@pytest.mark.xfail(strict=True)
def test_raised(canary):
    raise ValueError(f"no such user: {canary.value}")


@pytest.mark.parametrize("spelled", ["plain", "address", "hex", "base64", "base64 of a login"])
def test_written(canary, tmp_path, spelled):
    value = canary.value
    ways = {
        "plain": value,
        "address": f"postgresql://me:{quote(value, safe='')}@host/db",
        "hex": value.encode().hex().upper(),
        "base64": base64.b64encode(value.encode()).decode(),
        "base64 of a login": base64.b64encode(f"ab:{value}".encode()).decode(),
    }
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plan.json").write_text(ways[spelled])


def test_in_a_journal_on_disk(canary, tmp_path):
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("CREATE TABLE records (text)")
        database.execute("INSERT INTO records VALUES (?)", (canary.value,))
    database.close()


def test_in_a_journal_in_memory(canary):
    async def main():
        async with Fleet.create("memory://leak", "v1", 1, journal=":memory:") as web:
            config = RuntimeConfig({"SALT": NotSecret(canary.value, "a lie")})
            await web.replace("v2", config=config)

    run(main())


def test_sent_to_an_emulator(canary):
    class Cloud(Application):
        def cloud(self, request):
            return 200, {}, b""

    world = SimpleNamespace(ledger=SimpleNamespace(clock=SimpleNamespace(now=time.time)))
    server = serve(Cloud(world, Commands()))
    threading.Thread(target=server.serve_forever).start()
    try:
        data = f"UserData={quote(base64.b64encode(canary.value.encode()).decode())}".encode()
        address = f"http://127.0.0.1:{server.port}/"
        urllib.request.urlopen(urllib.request.Request(address, data), timeout=30).close()
    finally:
        server.shutdown()
        server.server_close()
