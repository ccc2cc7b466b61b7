"""The janitor of the live suite, on the emulator: what it removes, and what it lets be."""

from __future__ import annotations

from backends.azure.tests.live import janitor
from immutable.backend import SystemClock
from immutable_azure.address import Place
from immutable_azure.calls import Calls
from immutable_azure.marks import Marks, first_tags
from tests.emulators.adopted import run


def _left(account):
    """Names of sets, settings and pools that there are."""
    told = account.emulator.everything()
    pools = account.emulator.arm("GET", account.pools[0].rsplit("/", 2)[0])
    names = {each["name"] for each in pools["properties"]["backendAddressPools"]}
    settings = {e.rsplit("/", 1)[1] for e in told["resources"] if "autoscalesettings" in e.lower()}
    return set(told["groups"]), settings, names


def _calls(account):
    """The door to the emulator, as the janitor's own is to Azure."""
    place = Place(
        account.emulator.subscription,
        account.stage.place,
        endpoint=account.emulator.url,
        ca_bundle=account.emulator.trusted,
    )
    return Calls(place, SystemClock(), account.emulator.credential(), interval=0.02)


def test_what_checks_left_goes_and_everything_else_stays(account, monkeypatch):
    monkeypatch.setattr(janitor, "PAUSE", 0.05)
    account.group(2)
    before = _left(account)
    image, stage = account.images[0], account.stage
    tags = first_tags(Marks(fleet="conf-a", revision=1))
    stage.group("conf-a-r1", 2, image, tags=tags, pools=account.pools)
    stage.group("conf-theirs", 0, image)
    stage.group("shop-r1", 0, image, tags=first_tags(Marks(fleet="shop", revision=1)))
    profile = {"name": "usual", "capacity": {"minimum": "0", "maximum": "2", "default": "0"}}
    stage.put(
        stage.id("Microsoft.Insights", "autoscalesettings", "conf-a-r1-autoscale"),
        properties={
            "targetResourceUri": stage.id(
                "Microsoft.Compute", "virtualMachineScaleSets", "conf-a-r1"
            ),
            "enabled": False,
            "profiles": [{**profile, "rules": []}],
        },
    )
    account.emulator.arm("PUT", f"{account.pools[0].rsplit('/', 1)[0]}/conf-a-r2", {})
    run(janitor.clean(_calls(account)))
    sets, settings, pools = before
    assert _left(account) == (sets | {"conf-theirs", "shop-r1"}, settings, pools)


def test_what_can_not_be_removed_yet_is_seen_to_in_the_next_round(account, monkeypatch):
    monkeypatch.setattr(janitor, "PAUSE", 0.05)
    tags = first_tags(Marks(fleet="conf-a", revision=1))
    account.stage.group("conf-a-r1", 1, account.images[0], tags=tags)
    refused = {"kind": "error", "status": 409, "code": "OperationNotAllowed"}
    account.emulator.fault(action="compute:virtual_machine_scale_sets.delete", **refused)
    run(janitor.clean(_calls(account)))
    assert account.emulator.everything()["groups"] == {}
    assert account.emulator.calls()["compute:virtual_machine_scale_sets.delete"] >= 2
