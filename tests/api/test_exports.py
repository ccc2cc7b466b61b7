"""What can be imported from where, and what importing costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import immutable
import immutable.backend


@pytest.mark.parametrize("module", [immutable, immutable.backend])
def test_public_names_exist_are_sorted_and_documented(module):
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name))
    for name in module.__all__:
        found = getattr(module, name)
        if isinstance(found, type) or callable(found):
            assert found.__doc__, name
    assert len(immutable.__all__) <= 40


def test_nothing_else_is_public_at_the_top():
    modules = {"abilities", "admission", "audit", "backend", "builders", "catalog", "checkup",
               "cli", "connecting", "controller", "drift", "engine", "errors", "fleet", "following",
               "gates", "guest", "hooks", "images", "journal", "memory", "metrics", "model",
               "planner", "planning", "plugins", "preview", "registry", "report", "rollout",
               "runner", "scanning", "scripting", "secrets", "simulation", "strategies",
               "telemetry", "testing", "toolkit", "trust", "view", "virtual",
               "volumes"}  # fmt: skip
    # "@…" is pytest's own: it rewrites the asserts of whatever was installed with a plugin.
    public = {name for name in dir(immutable) if not name.startswith(("_", "@"))}
    assert public - modules == set(immutable.__all__)


def test_importing_loads_no_extra_and_no_cloud():
    # All names: each is imported when it is asked for.
    code = "import sys, json; from immutable import *; print(json.dumps(sorted(sys.modules)))"
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured
    )
    loaded = set(json.loads(found.stdout))
    heavy = {"click", "rich", "tenacity", "sqlite3", "cattrs", "rfc8785", "importlib.metadata",
             "boto3", "google", "azure", "httpx", "hvac", "cryptography", "jinja2",
             "immutable.admission",
             "immutable.audit",
             "immutable.catalog",
             "immutable.memory", "immutable.metrics", "immutable.builders", "immutable.cli",
             "immutable.images", "immutable.simulation",
             "immutable.telemetry", "immutable.toolkit", "immutable.trust", "opentelemetry",
             "pytest", "securesystemslib"}  # fmt: skip
    assert loaded & heavy == set()
