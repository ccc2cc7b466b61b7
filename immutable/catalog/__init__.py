"""The catalog of images: versions, what was built on what, channels, revocations. Pure.

What is asked of it is in `immutable.catalog.state`, what may be changed, and when not, in
`immutable.catalog.channels`, `immutable.catalog.revoking` and `immutable.catalog.retiring`. A
journal keeps it: see `immutable.Journal.catalog` and `immutable.Journal.change_catalog`.
"""

from immutable.catalog.channels import add, assign, roll_back
from immutable.catalog.retiring import Retention, retire, unneeded
from immutable.catalog.revoking import restore, revoke
from immutable.catalog.state import Assignment, Catalog, Revocation, Version

__all__ = [
    "Assignment",
    "Catalog",
    "Retention",
    "Revocation",
    "Version",
    "add",
    "assign",
    "restore",
    "retire",
    "revoke",
    "roll_back",
    "unneeded",
]
