"""The HTTP server: one request after the other against one world, faults around it."""

from __future__ import annotations

import traceback

from tests.emulators.faults import Fault
from tests.emulators.serving import Application, Handler, Reply, Request

from . import wire
from .calls import HANDLERS, Answer, Call
from .checking import check
from .control import COMMANDS
from .errors import ArmError, NotEmulated
from .routes import Routes
from .sets import hidden
from .world import World

MEANT = {"GET": "reads", "DELETE": "deletes"}


class ResourceManager(Application):
    """The Resource Manager: `/_emulator/…` is the test's, everything else Azure's.

    Args:
        routes: what the installed clients can ask for.
        scheme: of the addresses that are told.
    """

    def __init__(self, world: World, routes: Routes, scheme: str) -> None:
        super().__init__(world, COMMANDS)
        self.routes, self.scheme = routes, scheme

    def cloud(self, request: Request) -> Reply:
        """Answer one request."""
        base = f"{self.scheme}://{request.headers.get('host', '')}"
        try:
            self._known(request)
            call = wire.understand(self.routes, request, base)
        except ArmError as error:
            self._note(error)
            return wire.refusal(None, error)
        if refused := self._on_the_way_in(call, request.handler):
            return refused
        reply = self._answer(call)
        return self._on_the_way_out(call, reply, request.handler)

    def _known(self, request: Request) -> None:
        """Refuse who shows no token, or another one.

        "Troubleshoot ARM": `AuthenticationFailed`, 401
        (https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors).
        """
        if request.headers.get("authorization") == f"Bearer {self.world.token}":
            return
        given = "authorization" in request.headers
        code = "InvalidAuthenticationToken" if given else "AuthenticationFailed"
        said = "The access token is invalid." if given else "Authentication failed. The 'Authorization' header is missing."  # fmt: skip
        challenge = (
            'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token"'
        )
        raise ArmError(code, said, 401, headers={"WWW-Authenticate": challenge})

    def _note(self, error: ArmError) -> None:
        if isinstance(error, NotEmulated):
            self.world.ledger.failures.append(str(error))

    def _on_the_way_in(self, call: Call, handler: Handler) -> Reply | None:
        with self.world.lock:
            trouble = self.world.ledger.trouble(call)
        self.delay(trouble)
        for fault in trouble:
            if fault.kind == "reset":
                handler.break_off()
            if fault.kind in {"throttle", "error"}:
                return wire.refusal(call, _refused(fault))
            if fault.kind == "fails":
                self.world.failing[call.request_id] = fault
        return None

    def _answer(self, call: Call) -> Reply:
        world = self.world
        with world.lock:
            world.clock.catch_up()
            try:
                world.permitted(call)
                rest = world.throttling.admit(call)
                answer = HANDLERS.get(call.name, _unknown)(world, call)
                self._look_at(call, answer)
                answer.headers.update(rest | _remaining(call))
                reply = wire.reply(call, answer)
            except ArmError as error:
                self._note(error)
                reply = wire.refusal(call, error)
            except Exception:  # noqa: BLE001  Whatever breaks here must reach the test.
                world.ledger.failures.append(f"{call.name} broke:\n{traceback.format_exc()}")
                reply = wire.refusal(call, ArmError("EmulatorBroke", f"{call.name} broke"))
            world.failing.pop(call.request_id, None)
            world.clock.catch_up()
        return reply

    def _look_at(self, call: Call, answer: Answer) -> None:
        """What is told has to exist in the client, too: it drops nothing and complains of nothing."""
        if call.told is not None and answer.body is not None and answer.status < 300:
            for wrong in check(call.told, answer.body):
                self.world.ledger.failures.append(f"{call.name} was answered wrongly: {wrong}")

    def _on_the_way_out(self, call: Call, reply: Reply, handler: Handler) -> Reply:
        with self.world.lock:
            self.world.ledger.count(call, _params(call), reply[0])
        return self.arriving(call, reply, handler)


def _unknown(world: World, call: Call) -> Answer:
    raise NotEmulated(call.name)


def _params(call: Call) -> dict[str, object]:
    """What the log keeps: path, query, body, conditions; no token, no password."""
    kept = {
        name: call.headers[name] for name in ("if-match", "if-none-match") if name in call.headers
    }
    return {"path": call.path, "query": call.query, "body": hidden(call.body), "headers": kept}


def _refused(fault: Fault) -> ArmError:
    """What a test wants to be answered; throttling by default as the Resource Manager does it.

    "Understand how Azure Resource Manager throttles requests"
    (https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling).
    """
    wait = fault.extra.get("retry_after", 1 if fault.kind == "throttle" else None)
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if fault.kind == "throttle":
        said = "The request is being throttled as the limit has been reached."
        return ArmError(fault.code or "SubscriptionRequestsThrottled", said, 429, headers=headers)
    return ArmError(
        fault.code or "InternalServerError", fault.message, fault.status or 500, headers=headers
    )


def _remaining(call: Call) -> dict[str, str]:
    kind = MEANT.get(call.method, "writes")
    return {f"x-ms-ratelimit-remaining-subscription-global-{kind}": "2999"}
