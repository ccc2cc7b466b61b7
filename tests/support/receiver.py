"""Who receives webhooks, on loopback: checks signatures as Standard Webhooks has it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import define, field

KEY = "whsec_" + b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + b64encode(bytes(range(1, 33))).decode()


def signature(key: str, headers: dict[str, str], body: bytes) -> str:
    """What the signature has to be, reckoned here again."""
    raw = b64decode(key.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()


@define
class Receiver:
    """What arrived, and what is answered."""

    url: str = ""
    answers: list[Any] = field(factory=list)
    attempts: list[tuple[dict[str, str], bytes]] = field(factory=list)
    news: asyncio.Event = field(factory=asyncio.Event)

    @property
    def accepted(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.attempts if body]

    @property
    def types(self) -> list[str]:
        return [each["type"] for each in self.accepted]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.attempts]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.attempts.append((headers, body))
        self.news.set()
        answer = self.answers.pop(0) if self.answers else 204
        if callable(answer):
            return await answer(request)
        return web.Response(status=answer)

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def receiving(*answers: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(answers=list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (address,) = runner.addresses
    receiver.url = f"http://127.0.0.1:{address[1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
