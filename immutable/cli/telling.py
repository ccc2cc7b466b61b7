"""Options of commands that drive rollouts: who is told of what they do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from immutable.errors import InvalidValue
from immutable.hooks import hooked, installed
from immutable.secrets.references import SecretRef

if TYPE_CHECKING:
    from immutable.journal import Journal

__all__ = ["catch_up", "telling"]

_LATELY = 600.0
"""Seconds: how far back a controller that begins sends what another one may not have sent."""

_OPTIONS = (
    click.option("--otel", is_flag=True, envvar="IMMUTABLE_OTEL",
                 help="Make OpenTelemetry's spans and metrics. [env: IMMUTABLE_OTEL]"),
    click.option("--log-json", is_flag=True, envvar="IMMUTABLE_LOG_JSON",
                 help="Log what happens on standard error, as JSON. [env: IMMUTABLE_LOG_JSON]"),
    click.option("--webhook", metavar="URL", envvar="IMMUTABLE_WEBHOOK",
                 help="Notify this address of what happens. [env: IMMUTABLE_WEBHOOK]"),
    click.option("--webhook-key", metavar="REFERENCE", envvar="IMMUTABLE_WEBHOOK_KEY",
                 help="Where the key is that it signs with: env://NAME, file:///PATH, …"
                 " [env: IMMUTABLE_WEBHOOK_KEY]"),
)  # fmt: skip


def telling(
    function: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Add the options, and install what they ask for while the command runs."""

    @wraps(function)
    async def run(
        *args: Any,
        otel: bool,
        log_json: bool,
        webhook: str | None,
        webhook_key: str | None,
        **named: Any,
    ) -> None:
        async with _told(otel=otel, log_json=log_json, webhook=webhook, key=webhook_key):
            await function(*args, **named)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


@asynccontextmanager
async def _told(
    *, otel: bool, log_json: bool, webhook: str | None, key: str | None
) -> AsyncIterator[None]:
    if not (otel or log_json or webhook):
        yield
        return
    # What is not asked for is not loaded.
    from immutable.telemetry import JsonFormatter, Logs, OpenTelemetry, Webhook

    async with AsyncExitStack() as stack:
        if otel:  # First: what comes after finds its spans.
            stack.enter_context(hooked(on_event=OpenTelemetry()))
        if log_json:
            handler = logging.StreamHandler()
            handler.setFormatter(JsonFormatter())
            # Beside whatever is there: who instruments the process has a handler of its own.
            logging.getLogger().addHandler(handler)
            logging.getLogger().setLevel(logging.INFO)
            stack.enter_context(hooked(on_event=Logs()))
        if webhook:
            # httpx logs whole addresses, and a path may be as good as a key.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            hook = await stack.enter_async_context(Webhook(webhook, _reference(key)))
            stack.enter_context(hooked(on_event=hook))
        yield


def _reference(key: str | None) -> SecretRef:
    if not key:
        way_out = "say where: --webhook-key env://NAME"
        raise InvalidValue("webhook-key", "", "messages are signed, with a key", way_out)
    return SecretRef.parse(key)


async def catch_up(journal: Journal) -> None:
    """Send what is to be said of rollouts that ended lately, where webhooks are installed.

    Raises:
        JournalError: It can't be read.
    """
    for hook in installed().on_event:
        send = getattr(hook, "catch_up", None)
        if send is not None:
            await send(journal, within=_LATELY)
