"""Reading secrets until a deadline, whatever their resolvers do."""

from __future__ import annotations

import threading

import pytest

from immutable.backend import Denied, Invalid, Secret, SecretRef, SecretResolver
from immutable.errors import RegistryError
from immutable.guest.fetching import fetch, member

CANARY = "canary-77aa01"


class Resolver:
    def __init__(self, *answers):
        self.answers, self.asked, self.closed = list(answers), [], 0

    def check(self, ref):
        return ""

    def resolve(self, ref):
        self.asked.append(ref.uri)
        answer = self.answers.pop(0) if self.answers else Secret(CANARY)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed += 1


def text(secret):
    with secret.reveal() as value:
        return value.decode()


def test_it_asks_again_until_it_is_allowed_and_tells_each_reason_once():
    resolver, told = Resolver(Denied("not yet"), Denied("not yet"), Denied("nor now")), []
    assert isinstance(resolver, SecretResolver)
    done = fetch(
        {"DB": SecretRef("ours://db")}, lambda _: resolver, deadline=3600, tell=told.append
    )
    assert text(done.values["DB"]) == CANARY
    assert (done.reasons, resolver.closed) == ({}, 1)
    assert told == ["DB: not yet; trying again", "DB: nor now; trying again"]


def test_what_makes_no_sense_is_asked_once_and_a_failing_resolver_is_not_quoted():
    answers = {"a": Invalid("no such thing"), "b": ValueError(CANARY)}
    for name, error in answers.items():
        resolver = Resolver(error)
        ref = SecretRef(f"ours://{name}")
        done = fetch({"DB": ref}, lambda _, r=resolver: r, deadline=3600, tell=print)
        assert resolver.asked == [ref.uri]
        assert done.values == {}
        assert CANARY not in done.reasons["DB"]


def test_one_that_hangs_does_not_keep_it_beyond_the_deadline_nor_the_others():
    release = threading.Event()

    class Hanging(Resolver):
        def resolve(self, ref):
            release.wait()
            return super().resolve(ref)

    kinds = {"slow": Hanging(), "ours": Resolver()}
    refs = {"A": SecretRef("slow://a"), "B": SecretRef("ours://b")}
    try:
        done = fetch(refs, kinds.__getitem__, deadline=5, tell=print)
    finally:
        release.set()
    assert set(done.values) == {"B"}
    assert done.reasons == {"A": "nobody answered in time"}


def test_one_missing_does_not_starve_those_behind_it():
    class Picky(Resolver):
        def resolve(self, ref):
            if ref.path == "a":
                raise Denied("never")
            return Secret(CANARY)

    refs = {"A": SecretRef("ours://a"), "B": SecretRef("ours://b")}
    done = fetch(refs, lambda _: Picky(), deadline=5, tell=print)
    assert (set(done.values), done.reasons) == ({"B"}, {"A": "never"})


def test_no_resolver_is_a_reason():
    def none(scheme):
        raise RegistryError(f"no resolver for {scheme}://")

    done = fetch({"DB": SecretRef("ours://db")}, none, deadline=3600, tell=print)
    assert done.reasons == {"DB": "no resolver for ours://"}


@pytest.mark.parametrize(
    ("value", "field", "wanted"),
    [
        ('{"a": "b"}', "", '{"a": "b"}'),
        ('{"a": "b"}', "#a", "b"),
        ('{"a": {"c": 1}}', "#a", '{"c": 1}'),
        ('{"a b": "c"}', "#a%20b", "c"),
        ('{"a": true}', "#a", "true"),
    ],
)
def test_a_field_is_delivered_as_text_or_as_json(value, field, wanted):
    ref = SecretRef.parse(f"file:///x{field}")
    assert text(member(Secret(value), ref)) == wanted


@pytest.mark.parametrize("value", [CANARY, f'["{CANARY}"]', f'"{CANARY}"', f'{{"b": "{CANARY}"}}'])
def test_a_field_that_is_not_there_is_refused_without_the_value(value):
    with pytest.raises(Invalid, match="member a") as caught:
        member(Secret(value), SecretRef.parse("file:///x#a"))
    assert CANARY not in repr(caught.value)
    assert caught.value.__context__ is None
