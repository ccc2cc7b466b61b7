"""A service of yours with this SDK inside: hand rollouts over, ask how they stand, follow, order.

It needs FastAPI, and a server such as uvicorn:

    pip install fastapi uvicorn
    cd examples/service && FLEET=local://web uvicorn --factory service:from_environment

    curl --json '{"image": "web:2", "reason": "new version"}' http://127.0.0.1:8000/rollouts
    curl -N http://127.0.0.1:8000/rollouts/ROLLOUT/events
    curl -X POST http://127.0.0.1:8000/rollouts/ROLLOUT/abort

Whoever can reach it can replace the fleet, and it believes the ``X-User`` that it is told: put it
behind something that knows who is asking, and sets that header.

Requests only write into the journal and read it. A controller that lives as long as the service
does the work; when the service is stopped it ends at a safe point, and goes on when the service is
started again, here or elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse

from immutable import (
    Fleet,
    FleetBusy,
    ImmutableError,
    InvalidValue,
    JournalError,
    PlanRefused,
    Rollout,
    open_journal,
)
from immutable.backend import Backend, Clock
from immutable.controller import Controller
from immutable.report import documents

ORDERS = Literal["pause", "resume", "promote", "abort", "cancel"]
STATUSES = ((FleetBusy, 409), (PlanRefused, 422), (InvalidValue, 422), (JournalError, 503))
"""What a caller is told; anything else that the SDK raises is 502: the fleet's cloud said no."""


def create_app(
    fleet: str,
    *,
    journal: str | None = None,
    backend: Backend | None = None,
    clock: Clock | None = None,
) -> FastAPI:
    """Return the service for one fleet.

    Args:
        fleet: Its address.
        journal: Where rollouts are written down; default as for the command.
        backend: An open backend to use instead of the one that the address names.
        clock: The wall clock; for tests on virtual time.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        book = await open_journal(journal, clock=clock)
        connect = None if backend is None else lambda _: nullcontext(backend)
        working = asyncio.create_task(Controller(book, connect=connect, clock=clock).run())
        app.state.journal = book
        try:
            yield
        finally:
            working.cancel()  # Each rollout stops at a safe point and is handed over.
            with suppress(asyncio.CancelledError):
                await working
            await book.close()

    app = FastAPI(title=f"Rollouts of {fleet}", lifespan=life)

    def connected(user: str = "") -> Any:
        given = {"journal": app.state.journal, "backend": backend, "clock": clock}
        return Fleet.connect(fleet, actor=user or None, **given)

    @app.exception_handler(ImmutableError)
    async def refused(_: Request, error: ImmutableError) -> JSONResponse:
        code = next((code for kind, code in STATUSES if isinstance(error, kind)), 502)
        return JSONResponse({"error": type(error).__name__, "detail": str(error)}, code)

    @app.get("/fleet")
    async def look() -> dict[str, Any]:
        async with connected() as there:
            return documents.fleet(fleet, await there.state())

    @app.post("/rollouts", status_code=202)
    async def submit(
        image: Annotated[str, Body()],
        reason: Annotated[str, Body()] = "",
        user: Annotated[str, Header(alias="X-User")] = "",
    ) -> dict[str, Any]:
        async with connected(user) as there:
            rollout = await there.submit(await there.plan(image), reason=reason)
            return documents.status(await rollout.status())

    @app.get("/rollouts/{name}")
    async def status(name: str) -> dict[str, Any]:
        async with connected() as there:
            return documents.status(await (await there.rollout(name)).status())

    @app.post("/rollouts/{name}/{order}", status_code=202)
    async def order(
        name: str,
        order: ORDERS,
        reason: str = "",
        user: Annotated[str, Header(alias="X-User")] = "",
    ) -> None:
        async with connected(user) as there:
            rollout = await there.rollout(name)
            # The order is a row in the journal; abort and cancel would wait for their end here.
            give = getattr(rollout, order)
            await (give(reason=reason, take_over=False) if order in LATER else give(reason=reason))

    @app.get("/rollouts/{name}/events")
    async def events(
        name: str, last: Annotated[int, Header(alias="Last-Event-ID")] = 0
    ) -> StreamingResponse:
        async with connected() as there:  # Says now, with its status, that there is no such one.
            rollout = await there.rollout(name)
        return StreamingResponse(told(rollout, last), media_type="text/event-stream")

    return app


LATER = ("promote", "abort", "cancel")


async def told(rollout: Rollout, after: int) -> AsyncIterator[str]:
    """Yield what happened so far, then what happens, as server-sent events.

    A client that lost its connection says the last number that it has seen and misses nothing. One
    that goes away ends this; the rollout does not notice.
    """
    async for event in rollout.events(after=after):
        yield f"id: {event.seq}\ndata: {json.dumps(documents.event(event))}\n\n"


def from_environment() -> FastAPI:
    """Return the service for the fleet that ``FLEET`` names, for a server to run."""
    return create_app(os.environ["FLEET"])
