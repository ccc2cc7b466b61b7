"""How `make docs` builds the documentation: Sphinx, with MyST for Markdown, and furo."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util import logging

import immutable
import immutable.backend
import immutable.drift
import immutable.errors
import immutable.volumes

sys.path.insert(0, str(Path(__file__).parent))

from reference import missing  # Beside this file, which is no package.

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

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

_OF_AUTHORS = {id(getattr(immutable.backend, name)) for name in immutable.backend.__all__}


def left_out(app: Sphinx, _what: str, name: str, found: Any, *_: Any) -> bool | None:
    """Leave out what an earlier page has; None for Sphinx's decision."""
    elsewhere = {
        "api/backend": (immutable.backend, _OF_USERS),
        "api/errors": (immutable.errors, _OF_USERS | _OF_AUTHORS),
    }
    module, told = elsewhere.get(app.env.docname, (None, ()))
    return True if module and name in module.__all__ and id(found) in told else None


def complete(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn of what the reference should have and has not; `make docs` takes warnings as errors."""
    for name in missing(env.domaindata["py"]["objects"]):
        logging.getLogger(__name__).warning("%s is nowhere in docs/api", name)


def setup(app: Sphinx) -> None:
    """Let Sphinx ask `left_out` and `complete`."""
    app.connect("autodoc-skip-member", left_out)
    app.connect("env-check-consistency", complete)
