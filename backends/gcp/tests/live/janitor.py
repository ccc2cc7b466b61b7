"""Removes what conformance checks have left in a real project: by name, and by our marks."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from immutable_gcp.address import Place
from immutable_gcp.marks import read

PREFIX = "conf"


def _ours(resource):
    marks = read(resource.description)
    return resource.name.startswith(PREFIX) and bool(marks.fleet or marks.retired)


def sweep(place, **options):
    """Begin to delete what is left; returns the names of what there still was.

    Args:
        place: Where.
        options: For the clients.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud import compute_v1

    project, where, left = place.project, place.where, []
    regional = place.regional
    managers = (
        compute_v1.RegionInstanceGroupManagersClient(**options)
        if regional
        else compute_v1.InstanceGroupManagersClient(**options)
    )
    groups = [each for each in managers.list(project=project, **where) if _ours(each)]
    services = compute_v1.BackendServicesClient(**options)
    gone = {group.instance_group for group in groups}
    for service in services.list(project=project):
        kept = [each for each in service.backends if each.group not in gone]
        if len(kept) == len(service.backends):
            continue
        with suppress(GoogleAPICallError):
            if _ours(service):
                services.delete_unary(project=project, backend_service=service.name)
            else:
                service.backends = kept
                for output in ("id", "creation_timestamp", "kind", "self_link"):
                    type(service).pb(service).ClearField(output)
                services.update_unary(
                    project=project,
                    backend_service=service.name,
                    backend_service_resource=service,
                )
    for group in groups:
        left.append(group.name)
        with suppress(GoogleAPICallError):  # In use for a while yet: the next round sees to it.
            managers.delete_unary(project=project, instance_group_manager=group.name, **where)
    templates = compute_v1.InstanceTemplatesClient(**options)
    for template in templates.list(project=project):
        if _ours(template):
            left.append(template.name)
            with suppress(GoogleAPICallError):
                templates.delete_unary(project=project, instance_template=template.name)
    return left


def place_named():
    """Where the environment says that checks run."""
    return Place(os.environ["IMMUTABLE_LIVE_PROJECT"], os.environ["IMMUTABLE_LIVE_LOCATION"])


def main():
    """Sweep until nothing is left."""
    while sweep(place_named()):
        time.sleep(30)


if __name__ == "__main__":
    main()
