"""Lists: pages, filters, scopes, and how late they may be.

https://cloud.google.com/compute/docs/reference/rest/v1/instances/list
"""

from __future__ import annotations

import pytest
from google.api_core import exceptions


def names(found):
    return [each.name for each in found]


@pytest.fixture
def four(stage):
    """Four images, two of them labelled."""
    for index in range(4):
        stage.image(f"web-{index}", **({"labels": {"role": "web"}} if index % 2 else {}))
    return stage.emulator.client("images")


def test_pages_are_followed(emulator, four):
    emulator.clear_calls()
    found = four.list(request={"project": "acme", "max_results": 3})
    assert names(found) == ["web-0", "web-1", "web-2", "web-3"]
    assert emulator.calls() == {"images.list": 2}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("name=web-2", [2]),
        ('name = "web-2"', [2]),
        ("name != web-2", [0, 1, 3]),
        ("labels.role:*", [1, 3]),
        ("labels.role=web", [1, 3]),
        ("(labels.role = web) (name != web-1)", [3]),
        ("labels.role = web AND name != web-1", [3]),
        ('name eq "web-(0|3)"', [0, 3]),
    ],
)
def test_filters(four, wanted, found):
    told = four.list(request={"project": "acme", "filter": wanted})
    assert names(told) == [f"web-{index}" for index in found]


def test_a_filter_that_nobody_understands_is_no_silent_yes(emulator, four):
    with pytest.raises(exceptions.BadRequest):
        list(four.list(request={"project": "acme", "filter": "name > 3 OR true"}))
    assert "the filter" in emulator.failures()[0]


@pytest.mark.parametrize("wrong", [{"max_results": 501}, {"page_token": "x"}])
def test_pages_that_can_not_be(four, wrong):
    with pytest.raises(exceptions.BadRequest):
        list(four.list(request={"project": "acme", **wrong}))


def test_an_aggregated_list_has_every_scope(emulator, fleet, spread):
    fleet.make(1)
    spread.stage.group("wide", 1, fleet.template)
    found = dict(emulator.client("instance_group_managers").aggregated_list(project="acme"))
    told = {scope: names(each.instance_group_managers) for scope, each in found.items()}
    assert told[f"zones/{emulator.zones[0]}"] == ["web"]
    assert told[f"regions/{emulator.region}"] == ["wide"]
    empty = found[f"zones/{emulator.zones[1]}"]
    assert empty.warning.code == "NO_RESULTS_ON_PAGE"


@pytest.mark.parametrize(
    ("service", "scopes"),
    [
        ("instances", {"zones": 1}),
        ("autoscalers", {"regions": 0, "zones": 0}),
        ("instance_group_managers", {"regions": 0, "zones": 1}),
        ("backend_services", {"global": 1, "regions": 0}),
        ("url_maps", {"global": 0, "regions": 0}),
        ("health_checks", {"global": 1, "regions": 0}),
        ("instance_templates", {"global": 1, "regions": 0}),
        ("target_http_proxies", {"global": 0, "regions": 0}),
        ("forwarding_rules", {"global": 0, "regions": 0}),
        ("subnetworks", {"regions": 1}),
    ],
)
def test_aggregated_lists_have_the_scopes_that_there_can_be(emulator, fleet, service, scopes):
    fleet.make(1)
    found = dict(emulator.client(service).aggregated_list(project="acme"))
    told = {}
    for scope, each in found.items():
        kind = scope.partition("/")[0]
        told[kind] = told.get(kind, 0) + len(getattr(each, service))
    assert told == scopes


def test_a_list_may_be_late_and_get_is_not(emulator, stage):
    images = emulator.client("images")
    stage.image("old")
    emulator.freeze()
    emulator.laws(lag=60, operation=0)
    assert names(images.list(project="acme")) == []
    emulator.skip(seconds=61)
    stage.image("new")
    stage.done(images.delete_unary(project="acme", image="old"))
    assert images.get(project="acme", image="new").name == "new"
    assert names(images.list(project="acme")) == ["old"]
    emulator.skip(seconds=61)
    assert names(images.list(project="acme")) == ["new"]


def test_places(emulator):
    zones = emulator.client("zones").list(project="acme")
    assert names(zones) == emulator.zones
    regions = emulator.client("regions").list(project="acme")
    assert names(regions) == [emulator.region]
    machines = emulator.client("machine_types")
    found = machines.get(project="acme", zone=emulator.zones[0], machine_type="e2-standard-4")
    assert found.guest_cpus == 4
    quotas = emulator.client("projects").get(project="acme").quotas
    assert "INSTANCE_TEMPLATES" in {quota.metric for quota in quotas}
