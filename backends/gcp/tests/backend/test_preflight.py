"""What would stop a plan is found before anything is touched, with the way out."""

from __future__ import annotations

import pytest

from backends.gcp.tests.backend.account import DOUBLE, LIMITS
from immutable import BlueGreen, Rolling
from immutable.backend import FrozenMap, Gone, Image, Invalid, Revision, RuntimeConfig
from tests.emulators.adopted import run


def problems(account, break_it, strategy=None, limits=None):
    """What preflight finds of a plan that was sound when it was made."""
    weighted = isinstance(strategy, BlueGreen)
    limits = limits or (DOUBLE if weighted else LIMITS)

    async def go():
        async with account.fleet() as fleet:
            plan = await fleet.plan(account.images[1], strategy or Rolling(), limits=limits)
            assert await fleet.backend.preflight("web", plan) == ()
            break_it()
            before = account.emulator.everything()
            found = await fleet.backend.preflight("web", plan)
            assert account.emulator.everything() == before
            return found

    found = run(go())
    assert all(each.way_out for each in found)
    return " / ".join(f"{each.what} -> {each.way_out}" for each in found)


@pytest.fixture
def ready(account):
    """A fleet of three servers."""
    account.group(3)
    return account


def deprecate(account, image, state):
    images = account.emulator.client("images")
    call = images.deprecate_unary(
        project="acme", image=image.rpartition("/")[2], deprecation_status_resource={"state": state}
    )
    account.stage.done(call)


def change(account, name, **fields):
    services = account.stage.services
    mark = services.get(project="acme", backend_service=name).fingerprint
    resource = {"fingerprint": mark, **fields}
    call = services.patch_unary(
        project="acme", backend_service=name, backend_service_resource=resource
    )
    account.stage.done(call)


def test_images_of_both_ways_have_to_be_usable(ready):
    def obsolete():
        for image in ready.images:
            deprecate(ready, image, "OBSOLETE")

    told = problems(ready, obsolete)
    assert told.count("OBSOLETE") == 2
    assert "the image of the way back" in told


def test_a_deprecated_image_is_no_obstacle(ready):
    assert not problems(ready, lambda: deprecate(ready, ready.images[1], "DEPRECATED"))


def test_an_image_of_another_architecture_is_refused(account):
    account.images = (account.images[0], account.stage.image("arm", architecture="ARM64"))
    account.group(2)

    async def go():
        async with account.fleet() as fleet:
            with pytest.raises(Exception, match=r"is for ARM64, machine type e2-medium is X86_64"):
                await fleet.plan(account.images[1], Rolling(), limits=LIMITS)

    run(go())


def test_the_pool_has_to_drain_long_enough_and_to_be_checked(ready):
    short = {"connection_draining": {"draining_timeout_sec": 1}}
    told = problems(ready, lambda: change(ready, "pool", **short))
    assert "cuts requests off after 1 s of draining, the plan allows 2 s" in told


def test_room_is_looked_for_in_region_and_project(ready):
    def full():
        ready.emulator.quota(metric="INSTANCES", limit=3)
        ready.emulator.quota(metric="CPUS", limit=7)

    told = problems(ready, full)
    assert "quota INSTANCES of europe-west1 is 3, 3 are used and 1 more are needed" in told
    assert "quota CPUS of europe-west1 is 7, 6 are used and 2 more are needed" in told


@pytest.mark.parametrize(
    "permission",
    [
        "compute.instanceGroupManagers.update",
        "compute.instanceTemplates.delete",
        "compute.images.useReadOnly",
        "compute.backendServices.delete",
    ],
)
def test_missing_permissions_are_named(ready, permission):
    told = problems(ready, lambda: ready.emulator.deny(permissions=[permission]))
    assert permission in told


def test_whoever_replaces_members_besides_is_found(ready):
    def proactive():
        resource = {"update_policy": {"type_": "PROACTIVE"}}
        call = ready.stage.groups.patch_unary(
            project="acme",
            instance_group_manager="web",
            instance_group_manager_resource=resource,
            **ready.stage.where,
        )
        ready.stage.done(call)

    assert "set it to OPPORTUNISTIC" in problems(ready, proactive)


def test_taken_names_are_found(ready):
    def take():
        template = ready.stage.template("web-r2", ready.images[0])
        ready.stage.group("web-r2", 0, template)

    told = problems(ready, take)
    assert "there is a managed instance group web-r2 already" in told
    assert "there is a instance template web-r2 already" in told


def test_more_servers_than_the_maximum_are_refused(ready):
    def lower():
        request = {
            "project": "acme",
            "autoscaler": "web-scaler",
            "autoscaler_resource": {
                "autoscaling_policy": {"min_num_replicas": 1, "max_num_replicas": 2, "mode": "OFF"}
            },
            **ready.stage.where,
        }
        ready.stage.done(ready.stage.scalers.patch_unary(request=request))

    told = problems(ready, lower)
    assert "3 servers are wanted, web can have 2 at most" in told


def test_weights_need_a_service_that_can_be_divided(ready):
    def stick():
        change(ready, "pool", session_affinity="GENERATED_COOKIE")

    told = problems(ready, stick, BlueGreen(bake=1))
    assert "session affinity GENERATED_COOKIE" in told
    assert "?traffic=instances" in told


# -- adopting, resolving ---------------------------------------------------------------------------


def adopted(account):
    async def go():
        backend = account.backend()
        await backend.open()
        try:
            await backend.adopt_fleet("web", delete_when_replaced=False)
        finally:
            await backend.close()

    return run(go())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"update_policy": {"type_": "PROACTIVE"}}, "set it to OPPORTUNISTIC"),
        (
            {
                "stateful_policy": {
                    "preserved_state": {"disks": {"data": {"auto_delete": "NEVER"}}}
                },
                "update_policy": {"instance_redistribution_type": "NONE"},
            },
            "it is stateful",
        ),
    ],
)
def test_what_can_not_be_managed_is_not_adopted(account, fields, says):
    template = account.stage.template("web-theirs", account.images[0])
    account.stage.group("web", 1, template, **fields)
    before = account.emulator.everything()
    with pytest.raises(Invalid, match=says):
        adopted(account)
    assert account.emulator.everything()["groups"].keys() == before["groups"].keys()
    assert not account.marks("web").fleet


def test_a_family_in_a_template_is_not_adopted(account):
    account.stage.image("web-3", family="web")
    template = account.stage.template("web-theirs", "projects/acme/global/images/family/web")
    account.stage.group("web", 1, template)
    with pytest.raises(Invalid, match="starts whatever the family web means"):
        adopted(account)


def test_a_family_is_looked_up_once_and_its_number_counts(account):
    first = account.stage.image("api-1", family="api")

    async def resolved(*texts):
        backend = account.backend()
        await backend.open()
        try:
            return [await backend.resolve(text) for text in texts]
        finally:
            await backend.close()

    by_family, by_name, by_link = run(resolved("family/api", "api-1", first))
    assert by_family == by_name == by_link
    assert by_family.artifact == first
    account.stage.image("api-2", family="api")
    newer, same = run(resolved("family/api", by_family.artifact))
    assert same == by_family != newer
    deprecate(account, first, "OBSOLETE")
    with pytest.raises(Invalid, match="OBSOLETE"):
        run(resolved("api-1"))
    with pytest.raises(Invalid, match="the newest there are: api-2, web-2, web-1"):
        run(resolved("nothing"))


@pytest.mark.parametrize("where", ["zonal", "account"])
def test_a_new_fleet_has_what_its_settings_say(request, where):
    account = request.getfixturevalue(where)
    settings = {
        "machine_type": "e2-small",
        "port": "8080",
        "port_name": "web",
        "disk_gb": "20",
        "maximum": "7",
        "label.team": "shop",
        **({"spread": "BALANCED", "zones": "europe-west1-b"} if account.stage.regional else {}),
    }
    image = Image.of_artifact("gcp", account.images[0])
    revision = Revision(1, image, template=FrozenMap(settings))

    async def go():
        backend = account.backend()
        await backend.open()
        try:
            await backend.create_fleet("shop", revision)
            state = await backend.observe("shop")
            told = account.everything()
            await backend.delete_fleet("shop")
            with pytest.raises(Gone):
                await backend.observe("shop")
            return state, told
        finally:
            await backend.close()

    before = account.everything()
    state, told = run(go())
    assert state.groups[0].revision == revision
    assert state.groups[0].maximum == 7
    template = told["instanceTemplates"]["global/shop-r1"]["properties"]
    assert template["machineType"] == "e2-small"
    assert template["disks"][0]["initializeParams"]["diskSizeGb"] == "20"
    assert template["labels"].items() >= {"team": "shop", "immutable-fleet": "shop"}.items()
    (group,) = told["groups"].values()
    assert group["namedPorts"] == [{"name": "web", "port": 8080}]
    assert account.everything() == before


def test_settings_reach_the_servers_and_no_message(account):
    """Environment and references of secrets are metadata of the new template."""
    account.group(2)
    config = RuntimeConfig({"MODE": 'a "b" $c'}, {"db": "vault://kv/web#db"})

    async def go():
        async with account.fleet() as fleet:
            await fleet.replace(account.images[1], Rolling(), limits=LIMITS, config=config)

    run(go())
    items = account.everything()["instanceTemplates"]["global/web-r2"]["properties"]["metadata"]
    told = {each["key"]: each["value"] for each in items["items"]}
    assert told["immutable-environment"] == 'MODE="a \\"b\\" \\$c"\n'
    assert told["immutable-secrets"] == '{"db": "vault://kv/web#db"}'
    assert "MODE" not in account.stage.told("web-r2").description
