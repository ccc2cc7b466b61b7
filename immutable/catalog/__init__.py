"""The catalog of images: versions, what was built on what, channels, revocations. Pure.

`Catalog` is what it knows at one moment, and answers. What may be changed in it, and when not, is
said by `add`, `assign`, `roll_back`, `revoke`, `restore` and `retire`, each of which returns what
goes on record. A journal keeps it: see `immutable.Journal.catalog` and
`immutable.Journal.change_catalog`.
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
