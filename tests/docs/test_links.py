"""Links within the repository lead somewhere, headings included; each page has its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "backends/*/*.md", "examples/*/*.md")
    for page in ROOT.glob(pattern)
    if "_build" not in page.parts
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Return a page without its blocks of code, and with what it includes."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"^```\{include\} (\S+)", text, re.MULTILINE):
        text += prose((page.parent / name).resolve())
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: of its headings as GitHub makes them, and its own."""
    found = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in found]
    own = re.findall(r"^\(([\w-]+)\)=$", prose(page), re.MULTILINE)
    made = [re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in plain]
    return {*own, *made}


def broken(page: Path) -> list[str]:
    wrong = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue  # `make linkcheck` asks other sites.
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    if page == DOCS / "local.md":  # All of it is included from where its links are held.
        assert "{include} ../backends/local/README.md" in page.read_text()
        return
    assert broken(page) == []


def test_what_is_broken_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One `thing`, and more\n[a](#one-thing-and-more) [b](#another) [c](gone.md) [d](page.md)"
        " [e](https://example.com/x)\n```sh\n[f](not-a-link.md)\n```\n"
    )
    assert broken(page) == ["#another", "gone.md"]


def test_every_page_is_linked_from_the_first():
    first = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = {link.partition("#")[0] for link in LINK.findall(first)}
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page in PAGES}
    assert pages - {"index.md"} <= linked
