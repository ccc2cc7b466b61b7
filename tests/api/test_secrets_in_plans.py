"""What a plan knows of secrets: whether they are there, which version is current; never a value."""

from __future__ import annotations

import pytest

from immutable import Fleet, PlanRefused, RuntimeConfig, SecretRef, Status
from immutable.backend import Denied, Gone, Transient
from immutable.engine import referring
from immutable.memory import Cloud, MemoryBackend
from immutable.model.drift import DriftCode, DriftVerdict
from immutable.secrets.resolving import resolver_for
from immutable.testing import LoopClock, run
from tests.support.world import LIMITS, URL, world


class Vault:
    """Who keeps secrets; what it is asked is counted."""

    def __init__(self):
        self.versions, self.failing, self.closed = {"kv/a": "1"}, None, 0

    def check(self, ref):
        if self.failing is not None:
            raise self.failing
        if ref.path not in self.versions:
            raise Gone(f"{ref}: there is no such secret")
        return ref.version or self.versions[ref.path]

    def resolve(self, ref):
        raise AssertionError("the controller reads no value")

    def close(self):
        self.closed += 1


@pytest.fixture
def vault(monkeypatch):
    made = Vault()

    def resolver(scheme):
        return made if scheme == "vault" else resolver_for(scheme)

    monkeypatch.setattr(referring, "resolver_for", resolver)
    return made


def of(uri):
    return RuntimeConfig(secrets={"DB": uri})


def test_a_version_is_pinned_a_rotation_is_a_rollout_and_the_way_back_keeps_the_old_one(vault):
    async def main():
        async with world(2) as w:
            await w.fleet.replace(config=of("vault://kv/a#x"), limits=LIMITS)
            first = (await w.fleet.state()).groups[0].revision
            assert first.config == of("vault://kv/a?version=1#x")
            again = await w.fleet.plan(config=of("vault://kv/a#x"))
            assert again.steps == ()
            vault.versions["kv/a"] = "2"
            plan = await w.fleet.plan(config=of("vault://kv/a#x"))
            was, now = "vault://kv/a?version=1#x", "vault://kv/a?version=2#x"
            assert f"secret DB is {now}, was {was}" in str(plan)
            await w.fleet.apply(plan)
            back = await w.fleet.rollback(limits=LIMITS)
            assert back.status is Status.SUCCEEDED
            assert (await w.fleet.state()).groups[0].revision.config == first.config
            assert vault.closed > 0

    run(main())


def test_one_that_is_not_there_refuses_the_plan_and_the_fleet(vault):
    async def main():
        async with world(2) as w:
            with pytest.raises(PlanRefused, match="vault://kv/none: there is no such secret"):
                await w.fleet.plan(config=of("vault://kv/none"))
        backend = MemoryBackend(Cloud(LoopClock()))
        with pytest.raises(PlanRefused, match="no such secret"):
            async with Fleet.create(
                URL, "v1", 1, config=of("vault://kv/none"), backend=backend,
                journal=":memory:", clock=LoopClock(),
            ):  # fmt: skip
                raise AssertionError

    run(main())


def test_one_that_goes_between_plan_and_begin_refuses_the_begin(vault):
    async def main():
        async with world(2) as w:
            plan = await w.fleet.plan(config=of("vault://kv/a"))
            vault.versions.clear()
            with pytest.raises(PlanRefused, match="no such secret"):
                await w.fleet.apply(plan)
            assert w.truth.groups.keys() == {1}

    run(main())


@pytest.mark.parametrize(
    ("uri", "failing", "told"),
    [
        ("vault://kv/a", Denied("may not describe it"), "could not be checked: may not describe"),
        ("vault://kv/a", Transient("no answer"), "could not be checked: no answer"),
        ("vault://kv/a", ValueError("hunter2"), "its resolver failed (ValueError)"),
        ("ours://a", None, "can't be checked here: no resolver for ours://"),
        ("env://TOKEN", None, "can be checked in an instance only"),
        ("file:///run/keys/db", None, "can be checked in an instance only"),
    ],
)
def test_what_nobody_can_tell_here_is_a_note_and_no_pass(vault, uri, failing, told):
    async def main():
        vault.failing = failing
        async with world(2) as w:
            plan = await w.fleet.plan(config=of(uri))
            assert plan.candidate.config == of(uri)
            assert told in " ".join(plan.notes)
            assert "hunter2" not in str(plan)

    run(main())


def test_of_what_the_backend_looks_for_itself_it_is_not_said_that_nobody_looked(monkeypatch):
    async def main():
        async with world(2) as w:
            config = RuntimeConfig(secrets={"A": "file:///run/keys/db", "B": "env://TOKEN"})
            notes = " ".join((await w.fleet.plan(config=config)).notes)
            assert "secret A" not in notes
            assert "secret B (env://TOKEN) can be checked in an instance only" in notes

    monkeypatch.setattr(MemoryBackend, "checks_secrets", ("file",))
    run(main())


def test_a_reference_that_makes_no_sense_is_a_problem_though_it_was_built(vault):
    async def main():
        async with world(2) as w:
            config = RuntimeConfig(
                secrets={"../DB": SecretRef("vault://kv/a"), "B": SecretRef("file://x")}
            )
            with pytest.raises(PlanRefused) as caught:
                await w.fleet.plan(config=config)
            assert "no name of a secret" in str(caught.value)
            assert "write file:///PATH" in str(caught.value)

    run(main())


def test_a_change_of_size_asks_nobody(vault):
    async def main():
        async with world(2) as w:
            await w.fleet.replace(config=of("vault://kv/a"), limits=LIMITS)
            vault.versions.clear()
            assert (await w.fleet.scale(1, limits=LIMITS)).wanted == 1

    run(main())


def test_a_rotated_secret_is_drift_until_a_rollout_gives_the_new_one(vault):
    async def main():
        async with world(2) as w:
            await w.fleet.replace(config=of("vault://kv/a"), limits=LIMITS)
            before = await w.fleet.drift()
            assert (before.verdict, DriftCode.SECRET in before.checked) == (DriftVerdict.OK, True)
            vault.versions["kv/a"] = "2"
            found = await w.fleet.drift()
            assert [each.why for each in found.of(DriftVerdict.DRIFTED)] == [
                "secret: DB: its version 1 is not current any more, 2 is"
            ] * 2
            mended = await w.fleet.plan_repair()
            assert mended.steps == ()
            assert "2 have but a secret that was rotated, and stay" in " ".join(mended.notes)
            await w.fleet.replace(config=of("vault://kv/a"), limits=LIMITS)
            assert (await w.fleet.drift()).verdict is DriftVerdict.OK

    run(main())


def test_a_secret_of_which_nobody_can_tell_the_version_is_said_not_to_be_seen(vault):
    async def main():
        async with world(2) as w:
            await w.fleet.replace(config=of("vault://kv/a?version=1"), limits=LIMITS)
            vault.failing = Denied("may not describe it")
            found = await w.fleet.drift()
            assert "whether secret DB was rotated" in found.unseen
            assert found.of(DriftVerdict.DRIFTED) == ()

    run(main())
