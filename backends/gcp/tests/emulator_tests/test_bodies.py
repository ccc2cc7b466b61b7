"""VMs that really answer, health checks that really ask, a load balancer that really forwards."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter

import pytest

from tests.emulators.waiting import until


def get(address, path="/"):
    """Status and content of one request, tried once."""
    try:
        with urllib.request.urlopen(address + path, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Request(threading.Thread):
    """One request that is under way."""

    def __init__(self, address, path):
        super().__init__(daemon=True)
        self.address, self.path, self.answer = address, path, None
        self.start()

    def run(self):
        self.answer = get(self.address, self.path)

    def end(self):
        self.join(60)
        return self.answer


class Site:
    """Groups with bodies, each with a backend service of its own, behind one URL map."""

    def __init__(self, stage, bodies=True, **sizes):
        self.emulator, self.stage = stage.emulator, stage
        self.emulator.laws(bodies=bodies, boot=0.05, answers=0.02, operation=0.02)
        self.check = stage.check()
        self.template = stage.template("web-r1", stage.image("web-1"))
        for name, size in sizes.items():
            stage.group(name, size, self.template)
            stage.service(name, self.check, name, drain=30)
        self.table(**dict.fromkeys(sizes, 1))
        self.address = self.emulator.front(url_map="front")

    def table(self, **weights):
        links = {each.name: each.self_link for each in self.stage.services.list(project="acme")}
        listed = [
            {"backend_service": links[name], "weight": weight} for name, weight in weights.items()
        ]
        action = {"default_route_action": {"weighted_backend_services": listed}}
        maps = {each.name: each for each in self.stage.maps.list(project="acme")}
        if "front" in maps:
            resource = {"name": "front", "fingerprint": maps["front"].fingerprint, **action}
            self.stage.done(
                self.stage.maps.update_unary(
                    project="acme", url_map="front", url_map_resource=resource
                )
            )
        else:
            resource = {"name": "front", **action}
            self.stage.done(self.stage.maps.insert_unary(project="acme", url_map_resource=resource))

    def members(self, group=None):
        return self.emulator.members(group=group)

    def up(self, count):
        until(lambda: sum(bool(each["serving"]) for each in self.members()) == count)
        return self

    def answers(self, count):
        """Who answers so many requests, each of them well."""
        told = [get(self.address) for _ in range(count)]
        assert {status for status, _ in told} == {200}
        return Counter(json.loads(said)["vm"] for _, said in told)


def test_members_answer_in_turn(stage):
    site = Site(stage, web=3).up(3)
    assert sorted(site.answers(9).values()) == [3, 3, 3]


def test_requests_are_divided_by_weight_whatever_the_sizes(stage):
    site = Site(stage, blue=3, green=1).up(4)
    site.table(blue=700, green=300)
    (green,) = (each["name"] for each in site.members("green"))
    assert site.answers(50)[green] == 15
    site.table(blue=1000, green=0)
    assert green not in site.answers(20)


def test_health_is_what_the_servers_say(stage):
    site = Site(stage, web=2).up(2)
    sick, well = (each["name"] for each in site.members())
    site.emulator.sicken(instance=sick)
    until(lambda: stage.health("web", "web") == {sick: "UNHEALTHY", well: "HEALTHY"})
    assert site.answers(4) == {well: 4}
    site.emulator.heal(instance=sick)
    site.up(2)
    assert sorted(site.answers(4)) == sorted([sick, well])


def test_who_never_answers_is_never_asked(stage):
    stage.emulator.fate(answers=None, times=1)
    site = Site(stage, web=2).up(1)
    until(lambda: "UNHEALTHY" in stage.health("web", "web").values())
    assert len(site.answers(5)) == 1


def test_a_request_ends_while_its_server_drains_and_no_new_one_comes(stage):
    site = Site(stage, web=1).up(1)
    under_way = Request(site.address, "/slow?300")
    until(lambda: site.members()[0]["requests"] == 1)
    site.emulator.freeze()  # The draining time can't be over before the request is.
    stage.groups.delete_instances_unary(
        project="acme",
        instance_group_manager="web",
        instance_group_managers_delete_instances_request_resource={
            "instances": [stage.members("web")[0].instance]
        },
        **stage.where,
    )
    site.emulator.skip(seconds=1)
    assert site.members()[0]["draining"]
    assert get(site.address)[0] == 503
    assert under_way.end()[0] == 200
    site.emulator.skip(seconds=35)
    assert site.members() == []


def test_a_server_that_is_killed_breaks_off_what_it_does(stage):
    site = Site(stage, web=1).up(1)
    under_way = Request(site.address, "/slow?30000")
    until(lambda: site.members()[0]["requests"] == 1)
    site.emulator.kill(instance=site.members()[0]["name"])
    assert under_way.end()[0] == 502


def test_a_group_of_capacity_nought_gets_nothing(stage):
    site = Site(stage, blue=1, green=1).up(2)
    (blue,) = (each["name"] for each in site.members("blue"))
    service = stage.services.get(project="acme", backend_service="blue")
    groups = [stage.told("blue").instance_group, stage.told("green").instance_group]
    backends = [{"group": g, "capacity_scaler": n} for g, n in zip(groups, (1, 0), strict=True)]
    resource = {"fingerprint": service.fingerprint, "backends": backends}
    stage.done(
        stage.services.patch_unary(
            project="acme", backend_service="blue", backend_service_resource=resource
        )
    )
    site.table(blue=1)
    assert site.answers(6) == {blue: 6}


def test_what_was_answered_is_counted(stage):
    site = Site(stage, web=1).up(1)
    site.answers(3)
    counted = site.emulator.counted()
    assert [(each["service"], each["status"], each["count"]) for each in counted] == [
        ("web", "200", 3)
    ]


def test_without_the_law_nobody_listens(stage):
    site = Site(stage, bodies=False, web=1).up(1)
    assert get(site.address)[0] == 503


@pytest.mark.parametrize("seconds", [0.5, 300])
def test_after_a_leap_in_time_health_is_what_it_would_be(stage, seconds):
    site = Site(stage, web=1).up(1)
    site.emulator.freeze()
    site.emulator.sicken(instance=site.members()[0]["name"])
    site.emulator.skip(seconds=seconds)
    assert list(stage.health("web", "web").values()) == ["UNHEALTHY"]
