"""Values as one HTML file that needs nothing else: no network, no scripts. Texts can do nothing.

Whatever others wrote (reasons, names, images) passes `visible` and is escaped; the page forbids by
its own policy everything but its one style.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from immutable.report.charts import CHART_STYLE
from immutable.report.drawing import STYLE
from immutable.report.texts import visible

__all__ = ["rendered"]


def _said(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def rendered(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: The name of its template.
        values: What the template shows.
    """
    environment = Environment(
        loader=PackageLoader("immutable.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_said,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    base = environment.get_template("style.css").render()
    style = f"{STYLE}{CHART_STYLE}{base}"
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # The policy is of our making alone, and so is the style.
    parts = {"policy": policy, "style": Markup(style)}  # noqa: S704
    return environment.get_template(template).render(**parts, **values)
