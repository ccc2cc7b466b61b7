"""Webhooks: which messages there are, how they are signed, and that they arrive."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from datetime import datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from immutable import Canary, InvalidValue, SecretRef
from immutable.errors import ImmutableError
from immutable.gates import Approval, Health
from immutable.hooks import Drifted, Driving, Notice, hooked
from immutable.memory import Behaviour
from immutable.secrets.value import Secret
from immutable.telemetry import Patience, Webhook
from immutable.telemetry.messages import TYPES
from immutable.telemetry.signing import signed
from immutable.testing import run
from tests.support.collected import CANARY, ROOM
from tests.support.receiver import KEY, OTHER, receiving, signature
from tests.support.world import LIMITS, world

QUICK = Patience(timeout=20, first=0.01, longest=0.05, total=20)


def notices(image="v2", during=None, **options):
    """All notices of a rollout, on a virtual loop; what is sent of them is sent on a real one."""
    seen = []

    async def main():
        with hooked(on_event=seen.append):
            async with world(3) as w:
                w.cloud.behaviours["bad"] = Behaviour(ready=False)
                rollout = w.fleet.replace(image, **{"limits": LIMITS, **options})
                running = asyncio.ensure_future(rollout.end())
                if during is not None:
                    await during(w, rollout)
                await running

    run(main())
    return seen


PLAIN = notices()


def delivered(seen, *answers, keys=KEY, patience=QUICK, **options):
    """The receiver, and the webhook, after all notices were told and all was sent."""

    async def main():
        async with receiving(*answers) as receiver:
            given = Secret(keys) if isinstance(keys, str) else keys
            hook = Webhook(receiver.url, given, **{"patience": patience, "linger": 30, **options})
            async with hook:
                for notice in seen:
                    hook(notice)
            return receiver, hook

    return asyncio.run(main())


# -- what is said ----------------------------------------------------------------------------------


def test_a_rollout_is_announced_and_its_end_too_and_both_are_signed():
    receiver, hook = delivered(PLAIN)
    assert receiver.types == ["rollout.begun", "rollout.ended"]
    assert (hook.sent, hook.lost) == (2, 0)
    for headers, body in receiver.attempts:
        assert headers["webhook-signature"] == signature(KEY, headers, body)
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
        assert headers["content-type"] == "application/json"
    begun, ended = (each["data"] for each in receiver.accepted)
    assert begun["rollout"] == ended["rollout"] == PLAIN[0].rollout
    assert begun["fleet"] == "memory://web"
    assert begun["to"] == {"revision": 2, "image": "v2"}
    assert (ended["status"], ended["reason"]) == ("succeeded", "")
    stamps = [datetime.fromisoformat(each["timestamp"]) for each in receiver.accepted]
    assert (stamps[1] - stamps[0]).total_seconds() == pytest.approx(ended["seconds"], abs=1)
    assert len(set(receiver.ids)) == 2
    assert not any("." in each for each in receiver.ids)


def test_what_goes_wrong_is_announced_with_its_reason():
    receiver, _ = delivered(notices("bad"))
    assert receiver.types == ["rollout.begun", "rollout.turned", "rollout.ended"]
    turned, ended = (each["data"] for each in receiver.accepted[1:])
    assert "candidate instances failed" in turned["reason"]
    assert ended["status"] == "rolled_back"


def test_verdicts_pauses_and_approvals_are_announced():
    async def during(w, rollout):
        await asyncio.sleep(10)
        await rollout.pause(reason="lunch")
        await asyncio.sleep(600)
        await rollout.resume(reason="back")
        for _ in range(4):
            await asyncio.sleep(600)
            with suppress(ImmutableError):
                await rollout.promote()

    strategy = Canary(("50%",), bake=300, gates=(Approval("ops"), Health()))
    receiver, _ = delivered(notices(during=during, strategy=strategy, limits=ROOM))
    assert set(receiver.types) == {
        "rollout.begun", "rollout.paused", "rollout.resumed", "rollout.approval_wanted",
        "rollout.gate", "rollout.ended",
    }  # fmt: skip
    said = {each["type"]: each["data"] for each in receiver.accepted}
    assert said["rollout.paused"]["reason"] == "lunch"
    assert said["rollout.approval_wanted"]["who"] == "ops"
    assert said["rollout.gate"]["verdict"] == "pass"
    # A gate that only learned more is no news.
    assert receiver.types.count("rollout.gate") == 1


def test_drift_is_announced():
    seen = [Notice("", "memory://web", 1.8e9, Drifted(("i-1", "i-2"), ("i-9",)))]
    receiver, _ = delivered(seen)
    (message,) = receiver.accepted
    assert message["type"] == "fleet.drifted"
    assert message["data"]["instances"] == ["i-1", "i-2"]
    assert message["data"]["strays"] == ["i-9"]


def test_only_what_is_wanted_is_sent():
    receiver, _ = delivered(PLAIN, types=["rollout.ended"])
    assert receiver.types == ["rollout.ended"]


# -- how it arrives --------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [500, 503, 429, 404, 302])
def test_what_is_refused_is_sent_again_under_the_same_identifier_with_a_new_signature(answer):
    receiver, hook = delivered(PLAIN, answer, answer)
    first, again, third, last = receiver.ids
    assert first == again == third != last
    assert (hook.sent, hook.lost) == (2, 0)
    for headers, body in receiver.attempts:
        assert headers["webhook-signature"] == signature(KEY, headers, body)


def test_a_receiver_that_hangs_is_given_up_in_time_and_asked_again():
    hung = []

    async def hang(request):
        hung.append(request)
        await asyncio.sleep(60)
        return web.Response()

    patience = Patience(timeout=0.5, first=0.01, longest=0.05, total=20)
    receiver, hook = delivered(PLAIN, hang, patience=patience)
    assert len(hung) == 1
    assert receiver.types.count("rollout.ended") >= 1
    assert hook.sent == 2


def test_a_redirect_is_not_followed():
    async def elsewhere(request):
        return web.Response(status=307, headers={"location": "/elsewhere"})

    paths = []

    async def note(request):
        paths.append(request.path)
        return web.Response()

    _, hook = delivered(PLAIN, elsewhere, note, note)
    assert paths == ["/hook", "/hook"]
    assert hook.sent == 2


def test_who_is_gone_is_sent_nothing_more(caplog):
    with caplog.at_level(logging.WARNING):
        receiver, hook = delivered(PLAIN, 410)
    assert len(receiver.attempts) == 1
    assert hook.sent == 0
    assert "410" in caplog.text


def test_what_never_arrives_is_given_up_and_logged_and_the_next_is_sent(caplog):
    # So many refusals that the first message's time is over before they are.
    async def refused(request):
        kind = json.loads(await request.read())["type"]
        return web.Response(status=500 if kind == "rollout.begun" else 204)

    patience = Patience(timeout=20, first=0.01, longest=0.01, total=0.2)
    with caplog.at_level(logging.WARNING):
        receiver, hook = delivered(PLAIN, *[refused] * 1000, patience=patience)
    assert receiver.types[-1] == "rollout.ended"
    assert (hook.sent, hook.lost) == (1, 1)
    assert "rollout.begun" in caplog.text
    assert "/hook" not in caplog.text  # A path may be as good as a key.


def test_a_queue_that_is_full_drops_the_oldest_and_never_blocks():
    seen = [Notice("", "memory://web", 1.8e9 + n, Drifted((f"i-{n}",), ())) for n in range(50)]
    receiver, hook = delivered(seen, most=10)
    named = [each["data"]["instances"][0] for each in receiver.accepted]
    assert named[-1] == "i-49"
    assert len(named) == hook.sent == 10
    assert hook.lost == 40


def test_nobody_listens_and_the_end_does_not_wait_for_ever(caplog):
    async def main():
        hook = Webhook("http://127.0.0.1:9/hook", Secret(KEY), patience=QUICK, linger=0.2)
        async with hook:
            for notice in PLAIN:
                hook(notice)
        return hook

    with caplog.at_level(logging.WARNING):
        hook = asyncio.run(main())
    assert (hook.sent, hook.lost) == (0, 2)
    assert "had not arrived" in caplog.text


# -- crashes ---------------------------------------------------------------------------------------


def test_who_carries_a_rollout_on_sends_again_what_was_before_under_the_same_identifiers():
    first, second = [], []

    async def main():
        async with world(4) as w:
            with hooked(on_event=first.append):
                async with w.other_process() as fleet:
                    rollout = fleet.replace("v2", strategy=CANARY, limits=ROOM)
                    running = asyncio.ensure_future(rollout.end())
                    await asyncio.sleep(200)
                await asyncio.gather(running, return_exceptions=True)
            with hooked(on_event=second.append):
                async with w.other_process() as fleet:
                    await fleet.recover()

    run(main())
    one, _ = delivered(first)
    two, _ = delivered(second)
    assert one.ids == two.ids[: len(one.ids)]
    assert two.types[-1] == "rollout.ended"
    # In one process, each is sent once, however often a rollout is taken up.
    both, _ = delivered(first + second)
    assert len(both.ids) == len(set(both.ids))
    assert set(both.ids) == set(two.ids)


def test_the_end_of_a_rollout_whose_process_died_right_after_it_is_caught_up_with():
    async def main():
        async with world(2) as w:
            await w.fleet.replace("v2", limits=LIMITS)
            before = w.clock.now()
            await asyncio.sleep(100)
            hook = Webhook("https://example.com/hook", Secret(KEY))
            await hook.catch_up(w.journal, within=200, clock=w.clock)
            waiting = [message.type for message in hook._waiting]
            late = Webhook("https://example.com/hook", Secret(KEY))
            await late.catch_up(w.journal, within=50, clock=w.clock)
            assert before < w.clock.now()
            return waiting, list(late._waiting)

    assert run(main()) == (["rollout.begun", "rollout.ended"], [])


def test_a_rollout_is_as_quick_with_a_receiver_that_never_answers():
    async def main():
        hook = Webhook("https://example.com/hook", Secret(KEY))  # Nobody sends: all of it waits.
        with hooked(on_event=hook):
            async with world(3) as w:
                result = await w.fleet.replace("v2", limits=LIMITS)
                return result.seconds

    plain = PLAIN[-1].at - PLAIN[0].at
    assert run(main()) == pytest.approx(plain, abs=0.01)


# -- keys and addresses ----------------------------------------------------------------------------


def test_keys_can_be_changed_with_both_signing_meanwhile():
    receiver, _ = delivered(PLAIN, keys=[Secret(KEY), Secret(OTHER)])
    for headers, body in receiver.attempts:
        both = [signature(key, headers, body) for key in (KEY, OTHER)]
        assert headers["webhook-signature"] == " ".join(both)


def test_a_key_is_read_where_it_is_kept(monkeypatch):
    monkeypatch.setenv("HOOK_KEY", KEY)
    receiver, _ = delivered(PLAIN, keys=SecretRef.parse("env://HOOK_KEY"))
    headers, body = receiver.attempts[0]
    assert headers["webhook-signature"] == signature(KEY, headers, body)


@given(st.text("abcABC019-_", min_size=1), st.integers(0, 2**33), st.binary())
def test_a_signature_is_what_the_specification_says(message, at, body):
    headers = signed(message, at, body, [Secret(KEY)])
    assert headers["webhook-signature"] == signature(KEY, headers, body)


def test_the_specifications_own_example_comes_out():
    body = b'{"test": 2432232314}'
    key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [key])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["short", "whsec_AAAA", "no base64 at all, at length"])
def test_what_is_no_key_is_refused_and_not_shown(text):
    async def main():
        async with Webhook("https://example.com/", Secret(text)):
            pass

    with pytest.raises(InvalidValue, match="openssl rand") as caught:
        asyncio.run(main())
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "no address"),
        ("example.com", "no address"),
        ("https://", "no address"),
        ("https://example.com:port/", "no address"),
        ("https://user:hunter2@example.com/", "credentials"),
        ("http://example.com/secret-path", "on the way"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_and_its_secrets_are_not_shown(url, why):
    with pytest.raises(InvalidValue, match=why) as caught:
        Webhook(url, Secret(KEY))
    assert "hunter2" not in str(caught.value)
    assert "secret-path" not in str(caught.value)


def test_without_encryption_only_where_it_is_asked_for():
    assert Webhook("http://10.0.0.7/hook", Secret(KEY), plain=True)
    assert Webhook("http://localhost:8080/hook", Secret(KEY))


def test_an_unknown_type_is_refused():
    with pytest.raises(InvalidValue, match=r"rollout\.ended"):
        Webhook("https://example.com/", Secret(KEY), types=["rollout.exploded"])


def test_who_lacks_httpx_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setattr("immutable.telemetry.webhook.find_spec", lambda name: None)
    with pytest.raises(ImmutableError, match=r"immutable-sdk\[webhooks\]"):
        Webhook("https://example.com/", Secret(KEY))


def test_no_secret_is_in_a_message(canary):
    receiver, _ = delivered(PLAIN)
    assert not any(canary.value in body.decode() for _, body in receiver.attempts)
    assert not any(KEY in str(attempt) for attempt in receiver.attempts)
    assert {each.what.plan.kind.value for each in PLAIN if isinstance(each.what, Driving)}
    assert set(receiver.types) <= set(TYPES)
