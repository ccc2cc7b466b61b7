"""Which commit a directory is."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from immutable import InvalidValue
from immutable.images import committed

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository with one commit on main, and what runs git in it."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "web site"
    (place / "app").mkdir(parents=True)

    def git(*words):
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        done = subprocess.run(["git", *who, *words], cwd=place, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "main")
    (place / "app" / "app.py").write_text("print()\n")
    (place / ".gitignore").write_text("*.log\n")
    git("add", ".")
    git("commit", "-qm", "first")
    return place, git


def source(place, **how):
    return asyncio.run(committed(place, **how))


def test_a_commit_with_its_remote_and_its_branch(tree):
    place, git = tree
    git("remote", "add", "origin", "https://ada:token@example.com/web.git")
    found = source(place / "app")
    assert found.repository == "https://example.com/web.git"
    assert found.commit == git("rev-parse", "HEAD")
    assert found.ref == "refs/heads/main"
    assert source(place / "app" / "app.py") == found


def test_without_a_remote_it_is_the_directory_and_without_a_branch_no_ref(tree):
    place, git = tree
    git("checkout", "-q", "--detach")
    found = source(place)
    assert found.repository.startswith("file://")
    assert found.repository.endswith("web%20site")
    assert found.ref == ""


@pytest.mark.parametrize("name", ["app/app.py", "app/new.py"])
def test_what_differs_from_its_commit_is_no_commit(tree, name):
    place, git = tree
    (place / name).write_text("changed\n")
    assert source(place) is None
    with pytest.raises(InvalidValue, match=rf"not as committed: .*{name}; commit it first"):
        source(place, strict=True)
    (place / name).unlink()
    git("checkout", "-q", ".")
    (place / "app" / "debug.log").write_text("ignored\n")
    assert source(place, strict=True) is not None


def test_what_lies_beside_the_directory_does_not_count(tree):
    place, _ = tree
    (place / "README").write_text("draft\n")
    assert source(place / "app") is not None


def test_no_repository_is_no_commit(tmp_path):
    assert source(tmp_path) is None
    with pytest.raises(InvalidValue, match="in no git repository"):
        source(tmp_path, strict=True)
