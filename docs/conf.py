"""How `make docs` builds the documentation: Sphinx, with MyST for Markdown, and furo."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import immutable
import immutable.backend
import immutable.drift
import immutable.volumes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "immutable"
author = "The immutable authors"
project_copyright = f"{author}; Apache License 2.0"
release = version = installed("immutable-sdk")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"immutable {release}"

myst_heading_anchors = 3  # Pages link to each other's headings as GitHub names them.

default_role = "any"  # Docstrings write `Name`; one that leads nowhere is an error.
add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

# A name has one place: what users have as well is described there.
_OF_USERS = {
    id(getattr(module, name))
    for module in (immutable, immutable.drift, immutable.volumes)
    for name in module.__all__
}


def left_out(app: Sphinx, _what: str, name: str, found: Any, *_: Any) -> bool | None:
    """Leave out of the backend's page what is on the users' page; None for Sphinx's decision."""
    of_backend = app.env.docname == "api/backend" and name in immutable.backend.__all__
    return True if of_backend and id(found) in _OF_USERS else None


def setup(app: Sphinx) -> None:
    """Let Sphinx ask `left_out`."""
    app.connect("autodoc-skip-member", left_out)
