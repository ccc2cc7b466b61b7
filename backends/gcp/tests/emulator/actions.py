"""Every method that is answered here: importing a module registers its methods."""

from . import (
    autoscaling,
    balancing,
    images,
    instance_groups,
    instances,
    managed,
    migs,
    operations,
    permissions,
    places,
    probing,
    routing,
    templates,
)

__all__ = [
    "autoscaling",
    "balancing",
    "images",
    "instance_groups",
    "instances",
    "managed",
    "migs",
    "operations",
    "permissions",
    "places",
    "probing",
    "routing",
    "templates",
]
