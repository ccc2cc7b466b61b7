"""The janitor of the live suite removes what checks leave, and nothing else."""

from __future__ import annotations

from google.auth.credentials import AnonymousCredentials

from backends.gcp.tests.live.janitor import sweep
from immutable.backend import Context, FrozenMap, Image, Invalid, Revision
from tests.emulators.adopted import run
from tests.emulators.waiting import until


def test_what_checks_left_is_removed_and_nothing_else(account):
    account.group(2, autoscaled=False)
    before = account.everything()
    settings = FrozenMap({"machine_type": "e2-small", "backend_service": "pool"})
    revision = Revision(1, Image.of_artifact("gcp", account.images[0]), template=settings)

    async def leave():
        backend = account.backend()
        await backend.open()
        try:
            await backend.create_fleet("conf1", revision)
            ctx = Context("r", "p", 1, "token", 60)
            await backend.grow("conf1", 1, 2, expected=0, ctx=ctx)
            try:
                await backend.create_fleet("Not-a-name", revision)
            except Invalid as error:
                return backend.place, str(error)
        finally:
            await backend.close()

    place, said = run(leave())
    assert "lower-case" in said
    assert account.everything() != before
    options = {
        "credentials": AnonymousCredentials(),
        "client_options": {"api_endpoint": account.emulator.url},
    }
    until(lambda: not sweep(place, **options), every=0.2)
    assert account.everything() == before
