"""A stage for a test, set with the plain client: an image, a template, a pool, a group."""

from __future__ import annotations

from typing import Any

from .client import Emulator


class Stage:
    """What exists before a rollout.

    Args:
        emulator: where.
        regional: groups over the region's zones, or in its first zone.
    """

    def __init__(self, emulator: Emulator, *, regional: bool = False) -> None:
        self.emulator, self.project = emulator, emulator.project
        self.regional = regional
        self.where = {"region": emulator.region} if regional else {"zone": emulator.zones[0]}
        prefix = "region_" if regional else ""
        self.groups = emulator.client(f"{prefix}instance_group_managers")
        self.scalers = emulator.client(f"{prefix}autoscalers")
        self.templates = emulator.client("instance_templates")
        self.services = emulator.client("backend_services")
        self.maps = emulator.client("url_maps")

    def done(self, operation: Any) -> Any:
        """An operation that has to end well."""
        operation = self.emulator.wait(operation)
        assert not operation.error.errors, operation.error
        return operation

    def image(self, name: str, **fields: Any) -> str:
        """An image of ours; its numeric id is in the link that comes back."""
        images = self.emulator.client("images")
        resource = {"name": name, "raw_disk": {"source": "gs://acme/disk.tar.gz"}, **fields}
        self.done(images.insert_unary(project=self.project, image_resource=resource))
        number = images.get(project=self.project, image=name).id
        return f"projects/{self.project}/global/images/{number}"

    def template(self, name: str, image: str, **properties: Any) -> str:
        """An instance template; its link."""
        given = {
            "machine_type": "e2-medium",
            "disks": [{"boot": True, "auto_delete": True, "initialize_params": {"source_image": image}}],
            "network_interfaces": [{"network": "global/networks/default"}],
            **properties,
        }  # fmt: skip
        resource = {"name": name, "properties": given}
        self.done(
            self.templates.insert_unary(project=self.project, instance_template_resource=resource)
        )
        return str(self.templates.get(project=self.project, instance_template=name).self_link)

    def check(self, name: str = "alive", **fields: Any) -> str:
        """A health check; its link."""
        checks = self.emulator.client("health_checks")
        resource = {"name": name, "type_": "HTTP", "http_health_check": {"port": 80}, **fields}
        self.done(checks.insert_unary(project=self.project, health_check_resource=resource))
        return str(checks.get(project=self.project, health_check=name).self_link)

    def group(self, name: str, size: int, template: str, **fields: Any) -> Any:
        """A managed group that is asked for; as it is shown afterwards."""
        resource = {
            "name": name,
            "target_size": size,
            "versions": [{"instance_template": template}],
            "named_ports": [{"name": "http", "port": 80}],
            **fields,
        }
        self.done(
            self.groups.insert_unary(
                project=self.project, instance_group_manager_resource=resource, **self.where
            )
        )
        return self.told(name)

    def told(self, name: str) -> Any:
        """A managed group as `get` shows it."""
        return self.groups.get(project=self.project, instance_group_manager=name, **self.where)

    def members(self, name: str) -> list[Any]:
        """Members as `listManagedInstances` shows them."""
        found = self.groups.list_managed_instances(
            project=self.project, instance_group_manager=name, **self.where
        )
        return list(found)

    def service(self, name: str, check: str, *groups: str, drain: int = 0, **fields: Any) -> str:
        """A backend service over managed groups; its link."""
        resource = {
            "name": name,
            "health_checks": [check],
            "connection_draining": {"draining_timeout_sec": drain},
            "backends": [{"group": self.told(group).instance_group} for group in groups],
            **fields,
        }
        self.done(
            self.services.insert_unary(project=self.project, backend_service_resource=resource)
        )
        return str(self.services.get(project=self.project, backend_service=name).self_link)

    def health(self, service: str, group: str) -> dict[str, str]:
        """What a backend service finds of a group's members, by the VM's name."""
        told = self.services.get_health(
            project=self.project,
            backend_service=service,
            resource_group_reference_resource={"group": self.told(group).instance_group},
        )
        return {each.instance.rpartition("/")[2]: each.health_state for each in told.health_status}
