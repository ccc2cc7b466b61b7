"""A plan with a setting that looks like a secret is refused, unless somebody answers for it."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest

from immutable import Fleet, InvalidValue, PlanRefused, RuntimeConfig
from immutable.model.serial import digest, dump_plan, load_plan
from immutable.scanning import NotSecret
from immutable.testing import run

SECRET = "Tq7wZ" + "p2LxV9c"


def with_fleet(main, **more):
    async def opened():
        async with Fleet.create("memory://scan", "v1", 2, journal=":memory:", **more) as web:
            return await main(web)

    return run(opened())


def refused(caught) -> str:
    assert SECRET not in f"{caught.value!r} {caught.value}"
    return str(caught.value)


def test_a_plan_with_a_secret_is_refused_with_its_name_and_the_ways_out():
    async def main(web):
        config = RuntimeConfig({"LEVEL": "info", "DB_PASSWORD": SECRET})
        with pytest.raises(PlanRefused) as caught:
            await web.plan("v2", config=config)
        assert refused(caught) == (
            "the plan is refused:\n"
            "  - setting DB_PASSWORD holds what looks like a secret (named like a secret);"
            " keep it where secrets are kept and say where: --secret DB_PASSWORD=vault://…, or"
            " RuntimeConfig(secrets=…);"
            " if it is none, say so: --allow-secret DB_PASSWORD=REASON,"
            " or NotSecret(value, reason)"
        )
        with pytest.raises(PlanRefused):
            await web.replace("v2", config=config)
        assert [entry.status.value for entry in await web.history()] == ["succeeded"]

    with_fleet(main)


def test_a_reference_and_harmless_settings_pass_and_leave_no_note():
    async def main(web):
        told = {"LEVEL": "info", "DB_PASSWORD_FILE": "/run/keys/db", "TOKEN_LIFETIME": "3600"}
        plan = await web.plan("v2", config=RuntimeConfig(told, {"DB": "vault://kv/web#db"}))
        assert not [note for note in plan.notes if note.startswith("setting")]

    with_fleet(main)


def test_an_exception_stands_in_the_plan_with_its_reason_and_changes_nothing_else():
    async def main(web):
        odd = RuntimeConfig({"API_KEY": NotSecret(SECRET, "the vendor's public key")})
        plan = await web.plan("v2", config=odd)
        assert plan.notes[-1] == (
            "setting API_KEY is said to be no secret: the vendor's public key"
        )
        assert type(plan.candidate.config.environment["API_KEY"]) is str
        assert digest(load_plan(dump_plan(plan))) == digest(plan)
        await web.apply(plan)
        # The fleet is told it now, so the next image is not kept back by it.
        same = RuntimeConfig({"API_KEY": SECRET})
        assert not [n for n in (await web.plan("v3", config=same)).notes if n.startswith("setting")]

    with_fleet(main)


def test_the_way_back_is_never_closed_by_a_setting(monkeypatch):
    async def none(*_):
        raise AssertionError("a way back was scanned")

    async def main(web):
        odd = RuntimeConfig({"SALT": NotSecret(SECRET, "public")})
        await web.replace("v2", config=odd)
        await web.replace("v3", config=RuntimeConfig({"LEVEL": "info"}))
        monkeypatch.setattr("immutable.scanning.settled", none)
        await web.rollback()
        (group,) = (await web.state()).groups
        assert dict(group.revision.config.environment) == {"SALT": SECRET}

    with_fleet(main)


def test_a_running_rollout_is_not_taken_back_for_a_plan_that_is_refused():
    async def main(web):
        driving = asyncio.ensure_future(web.replace("v2").end())
        await asyncio.sleep(1)
        with pytest.raises(PlanRefused, match="DB_PASSWORD"):
            await web.replace("v3", config=RuntimeConfig({"DB_PASSWORD": SECRET}), supersede=True)
        assert (await driving).status.value == "succeeded"

    with_fleet(main)


def test_a_fleet_is_not_made_with_a_secret_in_its_settings_or_its_template():
    for more in ({"config": RuntimeConfig({"DB_PASSWORD": SECRET})},
                 {"template": {"user_data": f"DB_PASSWORD={SECRET}"}}):  # fmt: skip
        with pytest.raises(PlanRefused, match="looks like a secret") as caught:
            with_fleet(None, **more)
        refused(caught)

    async def main(web):
        (entry,) = await web.history()
        return entry.reason

    config = RuntimeConfig({"SALT": NotSecret(SECRET, "public")})
    assert with_fleet(main, config=config) == (
        "created; setting SALT is said to be no secret: public"
    )


def test_without_the_extra_the_plan_says_that_nothing_was_scanned(monkeypatch):
    monkeypatch.setattr("immutable.scanning.scanner.installed", lambda: False)

    async def main(web):
        plan = await web.plan("v2", config=RuntimeConfig({"DB_PASSWORD": SECRET}))
        assert plan.notes[-1] == ("settings not scanned for secrets: install immutable-sdk[scan]")

    with_fleet(main)


def test_other_problems_of_the_plan_are_told_beside_it():
    async def main(web):
        config = RuntimeConfig({"DB_PASSWORD": SECRET})
        web.backend.cloud.withdrawn["v1"] = False
        with pytest.raises(PlanRefused) as caught:
            await web.plan("v2", config=config)
        assert [each.what[:7] for each in caught.value.problems] == ["image v", "setting"]

    with_fleet(main)


def test_an_exception_needs_a_reason_and_survives_copies():
    with pytest.raises(InvalidValue, match="an exception needs a reason"):
        NotSecret("x", " ")
    made = NotSecret("value", " because ")
    for each in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert (each, each.reason) == ("value", "because")
