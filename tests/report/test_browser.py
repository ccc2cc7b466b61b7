"""The pages in a real browser: drawn, quiet, narrow, readable; and nothing leaves them."""

from __future__ import annotations

import shutil
import time

import pytest
from attrs import asdict, evolve

from immutable import Canary
from immutable.audit.changes import changes
from immutable.audit.controls import CONTROLS
from immutable.report import evidence, looking, telling
from immutable.testing import run
from tests.support.courses import played
from tests.support.record import honest

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here")

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
OPEN = "document.querySelectorAll('details').forEach(each => { each.open = true })"
LONG = "no-place-to-break-" * 40

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; on Debian: apt install chromium"),
]


def pages():
    """Return pages of every kind, by name."""
    success, failing = run(played()), run(played(Canary(), errors=0.2))
    aborted, running = run(played(abort=40)), run(played(Canary(), stop=200))
    told = {
        "success": success.course,
        "canary": run(played(Canary())).course,
        "back": failing.course,
        "aborted": aborted.course,
        "running": running.course,
        "thousand": run(played(size=1000, spread=True)).course,
        "long": evolve(
            failing.course, entry=evolve(failing.entry, reason=LONG, actor=LONG, rollout=LONG)
        ),
    }
    made = {name: telling.page(each, success.now) for name, each in told.items()}
    fleet = looking.page("memory://web", running.state, [running.entry])
    return {**made, "fleet": fleet, "evidence": evidence_page()}


def evidence_page():
    """Return the page of a compliance pack, with texts that have no place to break."""
    found = [{**each, "reason": LONG} for each in run(changes(honest()))]
    exceptions = [{"instance": LONG, "kind": "drifted", "why": [LONG]}]
    fleet = {"fleet": "memory://web", "instances": 2, "immutable": 1, "not_seen": [LONG]}
    inventory = {"instances": 2, "immutable": 1, "percent": 50.0, "whole": True,
                 "fleets": [{**fleet, "exceptions": exceptions}]}  # fmt: skip
    controls = [asdict(each) for each in CONTROLS]
    return evidence.page(found, [LONG], controls, inventory, "today")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("pages"), {}
    for name, text in pages().items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(text, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def browser(files):
    # After the rollouts: while it is open, its own loop runs in this thread.
    assert files
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


class Seen:
    """A page that is shown: what it complained about, and what it asked for."""

    def __init__(self, browser, file, width, scheme):
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_are_quiet_narrow_and_readable_by_all(browser, files, width, scheme):
    for name, file in files.items():
        with Seen(browser, file, width, scheme) as seen:
            seen.page.evaluate(OPEN)
            wide = seen.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (name, wide)
            assert seen.said == [], name
            assert seen.asked == [file.as_uri()], name
            if name == "thousand":
                continue  # Its elements are the others', only more of them.
            found = axe.Axe().run(seen.page).response["violations"]
            assert [(name, each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_each_picture_is_seen_once_and_has_its_table(browser, files):
    for width in (390, 1280):
        with Seen(browser, files["canary"], width, "light") as seen:
            drawn = seen.page.locator("svg:visible")
            assert drawn.count() == 3
            for number in range(3):
                box = drawn.nth(number).bounding_box()
                assert 0 < box["width"] <= width
                assert box["height"] > 60
                after = "each => each.parentElement.querySelectorAll('details table tr').length"
                assert drawn.nth(number).evaluate(after) > 1


def test_the_colours_follow_the_system(browser, files):
    papers = set()
    for scheme in ("light", "dark"):
        with Seen(browser, files["success"], 1280, scheme) as seen:
            papers.add(seen.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(papers) == 2


def test_a_thousand_instances_are_drawn(browser, files, record_property):
    before = time.perf_counter()
    with Seen(browser, files["thousand"], 1280, "light") as seen:
        record_property("seconds until shown", round(time.perf_counter() - before, 2))
        assert seen.page.locator("svg:visible").count() == 1
        assert seen.said == []
    assert files["thousand"].stat().st_size <= 1_000_000
