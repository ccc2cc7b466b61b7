"""The catalog of images: versions, what was built on what, channels, revocations. Pure.

What is asked of it is in `immutable.catalog.state`, what may be changed, and when not, in
`immutable.catalog.channels` and `immutable.catalog.revoking`. A journal keeps it: see
`immutable.Journal.catalog` and `immutable.Journal.change_catalog`.
"""

from immutable.catalog.channels import add, assign, roll_back
from immutable.catalog.revoking import restore, revoke
from immutable.catalog.state import Assignment, Catalog, Revocation, Version

__all__ = [
    "Assignment",
    "Catalog",
    "Revocation",
    "Version",
    "add",
    "assign",
    "restore",
    "revoke",
    "roll_back",
]
