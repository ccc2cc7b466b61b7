"""boto3's own clients: imported and made on first use, one session for all of them."""

from __future__ import annotations

from threading import Lock
from typing import Any

from immutable.backend import Denied
from immutable_aws.address import Place

__all__ = ["Clients"]

_CONNECT = 5.0


class Clients:
    """Makes clients, one for each service; called on threads, where boto3 is imported too.

    boto3 sleeps out its own repetitions inside of a thread, so they are off.

    Args:
        place: Where to.
        timeout: Seconds that an answer may take.
        connections: How many connections each may keep.
    """

    def __init__(self, place: Place, timeout: float, connections: int) -> None:
        self._place = place
        self._timeout, self._connections = timeout, connections
        self._lock = Lock()
        self._session: Any = None
        self._made: dict[str, Any] = {}

    def of(self, service: str) -> Any:
        """Return the client of a service."""
        # One session, one client a service: another session costs 24 MB and 0.2 s.
        with self._lock:
            if service not in self._made:
                from botocore.config import Config

                config = Config(
                    connect_timeout=_CONNECT,
                    read_timeout=self._timeout,
                    max_pool_connections=self._connections,
                    retries={"total_max_attempts": 1},
                    user_agent_extra="immutable-aws",
                )
                if self._session is None:
                    self._session = _session(self._place)
                self._made[service] = self._session.client(
                    service, endpoint_url=self._place.endpoint, config=config
                )
            return self._made[service]


def _session(place: Place) -> Any:
    """Return a session with the place's credentials; those of a role are renewed by themselves."""
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    plain = botocore.session.Session(profile=place.profile)
    plain.set_config_variable("region", place.region)
    if place.role is None:
        return boto3.Session(botocore_session=plain, region_name=place.region)
    source = plain.get_credentials()
    if source is None:
        raise Denied("no credentials with which to assume the role")

    def create(service: str, **options: Any) -> Any:
        return plain.create_client(service, **{"endpoint_url": place.endpoint, **options})

    fetcher = AssumeRoleCredentialFetcher(
        create, source, place.role, extra_args={"RoleSessionName": "immutable"}
    )
    assumed = botocore.session.Session(profile=place.profile)
    assumed.set_config_variable("region", place.region)
    assumed._credentials = DeferredRefreshableCredentials(  # noqa: SLF001  # botocore has no door.
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return boto3.Session(botocore_session=assumed, region_name=place.region)
