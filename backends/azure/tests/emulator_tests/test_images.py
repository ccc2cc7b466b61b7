"""Galleries, managed images, the marketplace.

"Store and share images in an Azure Compute Gallery"
(https://learn.microsoft.com/azure/virtual-machines/shared-image-galleries).
"""

from __future__ import annotations

import pytest
from azure.core.exceptions import ResourceNotFoundError

pytestmark = pytest.mark.asyncio


def version(stage, *regions, **profile):
    targets = [{"name": region} for region in regions]
    return {
        "location": stage.location,
        "properties": {
            "publishingProfile": {"targetRegions": targets, **profile},
            "storageProfile": {"osDiskImage": {"source": {"id": stage.source}}},
        },
    }


async def test_a_version_is_replicated_in_time(emulator, stage, fleet, compute):
    """`expand=ReplicationStatus` ("Gallery Image Versions - Get")."""
    fleet.freeze(replicate=60)
    call = compute.gallery_image_versions
    names = ("rg", "gallery", "web", "1.0.0")
    poller = await call.begin_create_or_update(*names, version(stage, "westeurope", "northeurope"))
    told = await call.get(*names, expand="ReplicationStatus")
    assert told.properties.provisioning_state == "Creating"
    assert told.properties.replication_status.aggregated_state == "InProgress"
    emulator.skip(seconds=61)
    await poller.result()
    told = await call.get(*names, expand="ReplicationStatus")
    assert told.properties.provisioning_state == "Succeeded"
    assert {r.region: r.state for r in told.properties.replication_status.summary} == {
        "westeurope": "Completed",
        "northeurope": "Completed",
    }


async def test_a_version_of_another_region_can_not_be_launched(stage, compute, refused):
    """`GalleryImageNotFound` ("Troubleshoot image and gallery issues")."""
    image = stage.image("1.0.0", regions=("northeurope",))
    body = {"location": stage.location, **stage.model(1, image)}
    call = compute.virtual_machine_scale_sets.begin_create_or_update("rg", "web", body)
    error = await refused(404, "GalleryImageNotFound", call)
    assert "not available in westeurope region" in error.message


async def test_the_latest_version_leaves_out_what_is_excluded(emulator, stage, fleet, compute):
    """`excludeFromLatest` ("Image versions"); the exact version is told."""
    fleet.make(0)
    stage.image("1.2.0")
    call = compute.gallery_image_versions.begin_create_or_update
    body = version(
        stage, "westeurope", excludeFromLatest=True, endOfLifeDate="2030-01-01T00:00:00Z"
    )
    await (await call("rg", "gallery", "web", "2.0.0", body)).result()
    definition = {"id": f"{stage.gallery}/images/web"}
    profile = {"storageProfile": {"imageReference": definition}}
    await fleet.patch({"properties": {"virtualMachineProfile": profile}})
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 1}})
    [member] = await fleet.members()
    assert member.properties.storage_profile.image_reference.exact_version == "1.2.0"


async def test_what_of_a_version_can_be_changed(emulator, stage, compute, refused):
    """Tags, `excludeFromLatest`, `endOfLifeDate`; not its source ("Update resources")."""
    stage.image("1.0.0")
    call, names = compute.gallery_image_versions, ("rg", "gallery", "web", "1.0.0")
    before = await call.get(*names)
    profile = {"excludeFromLatest": True, "endOfLifeDate": "2026-01-01T00:00:00Z"}
    body = version(stage, "westeurope", **profile) | {"tags": {"a": "b"}}
    await (await call.begin_create_or_update(*names, body)).result()
    told = await call.get(*names)
    published = told.properties.publishing_profile
    assert (published.exclude_from_latest, told.tags) == (True, {"a": "b"})
    assert published.end_of_life_date.year == 2026
    assert published.published_date == before.properties.publishing_profile.published_date
    await (await call.begin_create_or_update(*names, version(stage, "westeurope"))).result()
    told = await call.get(*names)
    published = told.properties.publishing_profile
    assert (published.exclude_from_latest, published.end_of_life_date) == (False, None)
    other = version(stage, "westeurope")
    other["properties"]["storageProfile"]["osDiskImage"]["source"]["id"] += "2"
    change = call.begin_create_or_update(*names, other)
    await refused(409, "PropertyChangeNotAllowed", change)


async def test_a_managed_image_is_no_image_for_trusted_launch(stage, compute, refused):
    """Recorded words: `BadRequest`."""
    path = stage.id("Microsoft.Compute", "images", "old")
    disk = {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": stage.source}}
    stage.put(path, properties={"storageProfile": {"osDisk": disk}})
    model = stage.model(1, path)
    body = {"location": stage.location, **model}
    call = compute.virtual_machine_scale_sets.begin_create_or_update
    await (await call("rg", "web", body)).result()
    body["properties"]["virtualMachineProfile"]["securityProfile"] = {
        "securityType": "TrustedLaunch"
    }
    await refused(400, "BadRequest", call("rg", "other", body))


async def test_the_marketplace_has_latest_and_exact_versions(emulator, stage, compute, refused):
    """ "Virtual Machine Images - List" with `$top` and `$orderby`."""
    offer = ("westeurope", "Canonical", "ubuntu-24_04-lts", "server")
    found = await compute.virtual_machine_images.list(*offer, top=1, orderby="name desc")
    assert [each.name for each in found] == ["24.04.202503010"]
    emulator.publish(
        publisher="Canonical", offer="ubuntu-24_04-lts", sku="server", version="24.04.202512010"
    )
    assert len(await compute.virtual_machine_images.list(*offer)) == 3
    await compute.virtual_machine_images.get(*offer, "24.04.202512010")
    await refused(404, "NotFound", compute.virtual_machine_images.get(*offer, "1.0.0"))


async def test_versions_are_listed_and_removed(stage, compute, refused):
    """A definition with versions is not removed; a second deletion is 204."""
    for name in ("1.0.0", "1.0.1"):
        stage.image(name)
    call = compute.gallery_image_versions
    names = [v.name async for v in call.list_by_gallery_image("rg", "gallery", "web")]
    assert names == ["1.0.0", "1.0.1"]
    definition = compute.gallery_images.begin_delete("rg", "gallery", "web")
    await refused(409, "CannotDeleteResource", definition)
    await (await call.begin_delete("rg", "gallery", "web", "1.0.0")).result()
    await (await call.begin_delete("rg", "gallery", "web", "1.0.0")).result()
    with pytest.raises(ResourceNotFoundError):
        await call.get("rg", "gallery", "web", "1.0.0")
