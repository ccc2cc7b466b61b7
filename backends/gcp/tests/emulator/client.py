"""The emulator for a test: the process, and the real client that talks to it."""

from __future__ import annotations

from typing import Any

from tests.emulators.process import Process

PROJECT = "acme"


class Emulator(Process):
    """A process of its own that answers as Compute Engine would, on a loopback port.

    Every command of `control.py` is a method: `emulator.laws(boot=2)`, `emulator.members()`.

    Args:
        region: the region that it is; its zones are `-b`, `-c`, `-d`.
    """

    def __init__(self, region: str = "europe-west1") -> None:
        super().__init__("backends.gcp.tests.emulator", "--region", region)
        self.region, self.project = region, PROJECT
        self.zones = [f"{region}-{letter}" for letter in "bcd"]
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The real client of a service, by its folder's name: `instance_group_managers`."""
        if service not in self._clients:
            # Here, and not above: the package takes seconds to import.
            from google.auth.credentials import AnonymousCredentials
            from google.cloud import compute_v1

            words = "".join(word.capitalize() for word in service.split("_"))
            self._clients[service] = getattr(compute_v1, f"{words}Client")(
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
                client_options={"api_endpoint": self.url},
            )
        return self._clients[service]

    def wait(self, operation: Any, seconds: float = 60.0) -> Any:
        """Wait for an operation; whatever it ended with.

        Raises:
            TimeoutError: it is not DONE in that time.
        """
        import time

        end = time.monotonic() + seconds
        scope: dict[str, str] = {}
        kind = "global_operations"
        for where in ("zone", "region"):
            if getattr(operation, where):
                kind = f"{where}_operations"
                scope = {where: getattr(operation, where).rpartition("/")[2]}
        while operation.status.name != "DONE":
            if time.monotonic() > end:
                raise TimeoutError(f"{operation.name} is {operation.status.name}")
            operation = self.client(kind).wait(
                project=self.project, operation=operation.name, **scope
            )
        return operation
