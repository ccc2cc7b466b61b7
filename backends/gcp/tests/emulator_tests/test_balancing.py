"""Backend services and URL maps: health, draining, capacity, weights, fingerprints.

https://cloud.google.com/load-balancing/docs/backend-service
https://cloud.google.com/load-balancing/docs/health-check-concepts
https://cloud.google.com/load-balancing/docs/enabling-connection-draining
https://cloud.google.com/compute/docs/reference/rest/v1/urlMaps
"""

from __future__ import annotations

import pytest
from google.api_core import exceptions


def serving(emulator):
    return {m["name"]: m["serving"] for m in emulator.members()}


def test_health_is_unknown_then_unhealthy_then_healthy(emulator, fleet):
    fleet.make(0)
    emulator.freeze()
    emulator.laws(boot=60, answers=20, check=1)
    fleet.call("resize", size=1)
    seen = []
    for seconds in (30, 32, 5, 22):  # STAGING, RUNNING, probed once, answers since two probes
        emulator.skip(seconds=seconds)
        seen.append(list(fleet.stage.health("pool", "web").values()))
    assert seen == [[], [], ["UNHEALTHY"], ["UNHEALTHY"]]
    emulator.skip(seconds=5)
    assert list(fleet.stage.health("pool", "web").values()) == ["HEALTHY"]
    assert list(serving(emulator).values()) == [["pool"]]


def test_a_sick_member_is_unhealthy_after_some_checks(emulator, fleet, until):
    fleet.make(2)
    until(lambda: set(fleet.stage.health("pool", "web").values()) == {"HEALTHY"})
    first, second = sorted(m.name for m in fleet.members())
    emulator.sicken(instance=first)
    until(lambda: fleet.stage.health("pool", "web")[first] == "UNHEALTHY")
    assert serving(emulator)[second] == ["pool"]
    emulator.heal(instance=first)
    until(lambda: fleet.stage.health("pool", "web")[first] == "HEALTHY")


def test_a_member_that_never_answers(emulator, fleet, until):
    emulator.fate(template="web-r1", answers=None)
    fleet.make(1)
    until(lambda: list(fleet.stage.health("pool", "web").values()) == ["UNHEALTHY"])
    assert list(serving(emulator).values()) == [[]]


def test_a_deleted_member_drains_first(emulator, fleet, until):
    fleet.make(2, drain=40)
    until(lambda: len(fleet.stage.health("pool", "web")) == 2)
    emulator.freeze()
    gone = fleet.members()[0]
    fleet.delete(gone)
    emulator.skip(seconds=35)
    member = fleet.named(gone.name)
    assert (member.current_action, member.instance_status) == ("DELETING", "RUNNING")
    assert gone.name not in fleet.stage.health("pool", "web")
    assert serving(emulator)[gone.name] == []
    assert next(m for m in emulator.members() if m["name"] == gone.name)["draining"]
    emulator.skip(seconds=6)
    assert fleet.named(gone.name) is None


def test_draining_may_take_longer_than_was_said(emulator, fleet):
    """Up to 60 s more, says deleteInstances."""
    emulator.laws(after_drain=60)
    fleet.make(1, drain=10)
    emulator.freeze()
    fleet.delete(fleet.members()[0])
    emulator.skip(seconds=65)
    assert len(fleet.members()) == 1
    emulator.skip(seconds=6)
    assert not fleet.members()


def change(stage, service="pool", **fields):
    return stage.services.patch_unary(
        project="acme", backend_service=service, backend_service_resource=fields
    )


def test_a_change_needs_the_current_fingerprint(fleet):
    fleet.make(0)
    stage = fleet.stage
    for stale in ({}, {"fingerprint": "AAAAAAAAAAA="}):
        with pytest.raises(exceptions.PreconditionFailed):
            change(stage, timeout_sec=5, **stale)
    told = stage.services.get(project="acme", backend_service="pool")
    stage.done(change(stage, timeout_sec=5, fingerprint=told.fingerprint))
    now = stage.services.get(project="acme", backend_service="pool")
    assert (now.timeout_sec, now.fingerprint != told.fingerprint) == (5, True)
    assert len(now.backends) == 1


def test_a_service_that_is_being_changed_is_not_ready(emulator, fleet):
    fleet.make(0)
    stage = fleet.stage
    told = stage.services.get(project="acme", backend_service="pool")
    emulator.freeze()
    emulator.laws(operation=60)
    first = change(stage, timeout_sec=5, fingerprint=told.fingerprint)
    with pytest.raises(exceptions.BadRequest, match="is not ready") as caught:
        stage.services.delete_unary(project="acme", backend_service="pool")
    assert caught.value.errors[0]["reason"] == "resourceNotReady"
    emulator.skip(seconds=61)
    stage.done(first)


@pytest.mark.parametrize("scaler", [0.05, 1.5, 0.0])
def test_capacity_scalers_that_can_not_be(fleet, scaler):
    """0, or 0.1 to 1; 0 not on the only backend."""
    fleet.make(0)
    group = fleet.stage.told("web").instance_group
    told = fleet.stage.services.get(project="acme", backend_service="pool")
    with pytest.raises(exceptions.BadRequest, match="capacityScaler"):
        change(
            fleet.stage,
            backends=[{"group": group, "capacity_scaler": scaler}],
            fingerprint=told.fingerprint,
        )


def test_a_backend_of_capacity_0_serves_nobody(emulator, fleet, until):
    fleet.make(1)
    fleet.stage.group("two", 1, fleet.template)
    one, two = (fleet.stage.told(name).instance_group for name in ("web", "two"))
    told = fleet.stage.services.get(project="acme", backend_service="pool")
    backends = [{"group": one, "capacity_scaler": 0}, {"group": two}]
    fleet.stage.done(change(fleet.stage, backends=backends, fingerprint=told.fingerprint))
    until(lambda: sum(bool(s) for s in serving(emulator).values()) == 1)
    assert next(m for m in emulator.members() if m["serving"])["group"] == "two"


def test_a_backend_has_to_be_there(fleet):
    fleet.make(0)
    told = fleet.stage.services.get(project="acme", backend_service="pool")
    whole = fleet.stage.told("web").instance_group
    with pytest.raises(exceptions.NotFound):
        change(fleet.stage, backends=[{"group": whole + "x"}], fingerprint=told.fingerprint)
    partial = whole.partition("/v1/")[2]
    with pytest.raises(exceptions.BadRequest, match="Partial URLs"):
        change(fleet.stage, backends=[{"group": partial}], fingerprint=told.fingerprint)


def table(*weights):
    return {
        "weighted_backend_services": [
            {"backend_service": f"global/backendServices/{name}", "weight": weight}
            for name, weight in weights
        ]
    }


@pytest.fixture
def mapped(fleet):
    """A URL map with two services."""
    fleet.make(0)
    fleet.stage.service("pool-2", fleet.check)
    resource = {"name": "front", "default_route_action": table(("pool", 100), ("pool-2", 0))}
    fleet.stage.done(fleet.stage.maps.insert_unary(project="acme", url_map_resource=resource))
    return fleet


def route(fleet, *weights, fingerprint=None):
    if fingerprint is None:
        fingerprint = fleet.stage.maps.get(project="acme", url_map="front").fingerprint
    resource = {"fingerprint": fingerprint, "default_route_action": table(*weights)}
    return fleet.stage.maps.patch_unary(project="acme", url_map="front", url_map_resource=resource)


def test_weights_are_replaced_as_one_table(emulator, mapped):
    assert emulator.traffic() == {"front": {"pool": 100, "pool-2": 0}}
    mapped.stage.done(route(mapped, ("pool", 95), ("pool-2", 5)))
    assert emulator.traffic() == {"front": {"pool": 95, "pool-2": 5}}


def test_weights_need_the_fingerprint(mapped):
    told = mapped.stage.maps.get(project="acme", url_map="front").fingerprint
    mapped.stage.done(route(mapped, ("pool", 1), ("pool-2", 1)))
    with pytest.raises(exceptions.PreconditionFailed):
        route(mapped, ("pool", 2), ("pool-2", 1), fingerprint=told)


@pytest.mark.parametrize("weights", [(1001, 0), (0, 0)])
def test_weights_that_can_not_be(mapped, weights):
    with pytest.raises(exceptions.BadRequest, match="weight"):
        route(mapped, ("pool", weights[0]), ("pool-2", weights[1]))


def test_what_is_in_use_stays(mapped, emulator):
    with pytest.raises(exceptions.BadRequest, match=r"already being used by .*urlMaps/front"):
        mapped.stage.services.delete_unary(project="acme", backend_service="pool-2")
    checks = emulator.client("health_checks")
    with pytest.raises(exceptions.BadRequest, match=r"already being used by .*backendServices"):
        checks.delete_unary(project="acme", health_check="alive")


def test_a_proxy_and_a_rule_in_front(mapped, emulator):
    proxies = emulator.client("target_http_proxies")
    proxy = {"name": "proxy", "url_map": "global/urlMaps/front"}
    mapped.stage.done(proxies.insert_unary(project="acme", target_http_proxy_resource=proxy))
    rules = emulator.client("global_forwarding_rules")
    rule = {"name": "rule", "target": "global/targetHttpProxies/proxy", "port_range": "80"}
    mapped.stage.done(rules.insert_unary(project="acme", forwarding_rule_resource=rule))
    found = rules.get(project="acme", forwarding_rule="rule")
    assert found.target.endswith("/global/targetHttpProxies/proxy")
    with pytest.raises(exceptions.BadRequest, match="already being used"):
        mapped.stage.maps.delete_unary(project="acme", url_map="front")
