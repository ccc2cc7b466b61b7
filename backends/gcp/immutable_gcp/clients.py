"""The real client of Compute Engine: imported late, one of each service for each thread."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from threading import Lock, local
from typing import Any

from immutable_gcp.address import Place

__all__ = ["Answer", "Clients"]

Answer = dict[str, Any]


class Clients:
    """Makes clients, and turns what they answer into plain data.

    ``google.cloud.compute_v1`` takes seconds and 120 MB to import, so nothing here does it before
    the first request, on whose thread it happens. A client costs milliseconds, a connection pool of
    one that many threads share costs connections: each thread has its own.

    Args:
        place: Where to.
        credentials: Whose; None finds Application Default Credentials.
        heard: Told the ``Date`` of each answer, and how many seconds it took.
    """

    def __init__(self, place: Place, credentials: Any, heard: Callable[[str, float], None]) -> None:
        self._place = place
        self._credentials = credentials
        self._heard = heard
        self._lock = Lock()
        self._local = local()

    def request(self, service: str, method: str, request: Answer, timeout: float) -> Any:
        """Make one request, and the further ones for pages; nothing is repeated.

        Args:
            service: Its folder's name: ``instance_group_managers``.
            method: ``get``, ``list``, ``patch_unary``.
            request: Its fields.
            timeout: Seconds that each answer may take.

        Returns:
            The answer as plain data; for lists, pages of items.
        """
        call = getattr(self._client(service), method)
        answer = call(request=request, retry=None, timeout=timeout)
        if hasattr(answer, "pages"):
            return [_page(page) for page in answer.pages]
        return _plain(answer)

    def fetch(self, url: str, parameters: list[tuple[str, str]], timeout: float) -> Answer:
        """Make one GET request to another API of Google's; nothing is repeated.

        Args:
            url: Where to.
            parameters: The query.
            timeout: Seconds that the answer may take.
        """
        from google.api_core.exceptions import from_http_status

        response = self._session().get(url, params=parameters, timeout=timeout)
        answer: Answer = response.json()
        if response.status_code == HTTPStatus.OK:
            return answer
        told = answer.get("error", {})
        refused: Exception = from_http_status(  # type: ignore[no-untyped-call]
            response.status_code, str(told.get("message", "")), errors=told.get("errors", ())
        )
        raise refused

    def _session(self) -> Any:
        known: dict[str, Any] = self._local.__dict__.setdefault("clients", {})
        if "" not in known:
            from google.auth.transport.requests import AuthorizedSession

            session = AuthorizedSession(self._whose())  # type: ignore[no-untyped-call]
            session.hooks["response"].append(self._listen)
            known[""] = session
        return known[""]

    def _client(self, service: str) -> Any:
        known: dict[str, Any] = self._local.__dict__.setdefault("clients", {})
        if service not in known:
            from google.cloud import compute_v1

            kind = getattr(compute_v1, "".join(map(str.capitalize, service.split("_"))) + "Client")
            options = {"api_endpoint": self._place.endpoint} if self._place.endpoint else {}
            client = kind(credentials=self._whose(), client_options=options, transport="rest")
            # The way to an answer's headers; without it the clock is ours, all else is the same.
            session = getattr(client.transport, "_session", None)
            if session is not None:
                session.hooks["response"].append(self._listen)
            known[service] = client
        return known[service]

    def _whose(self) -> Any:
        with self._lock:
            if self._credentials is None:
                if self._place.anonymous:
                    from google.auth.credentials import AnonymousCredentials

                    self._credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
                else:
                    import google.auth

                    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                    self._credentials, _ = google.auth.default(scopes=scopes)
            return self._credentials

    def _listen(self, response: Any, *_: object, **__: object) -> None:
        date = response.headers.get("Date")
        if date:
            self._heard(date, response.elapsed.total_seconds())


def _plain(message: Any) -> Answer:
    plain: Answer = type(message).to_dict(
        message,
        use_integers_for_enums=False,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=False,
    )
    return plain


def _page(page: Any) -> Answer:
    """Return a page of a list; of an aggregated one the items of all scopes together."""
    plain = _plain(page)
    items = plain.get("items") or plain.get("managed_instances") or []
    if isinstance(items, dict):
        scopes = [scope for scope in items.values() if isinstance(scope, dict)]
        items = [
            each
            for scope in scopes
            for key, found in scope.items()
            if key != "warning" and isinstance(found, list)
            for each in found
        ]
    return {"items": items}
