"""What stands on the pages, and that no text on them can do anything."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from attrs import evolve

from immutable import Canary
from immutable.model import InstanceState, Trouble
from immutable.model.serial import digest
from immutable.report import looking, telling
from immutable.report.texts import LONGEST, visible
from immutable.testing import run
from tests.support.courses import played
from tests.support.pages import Parsed

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202egnp.\x00\x1b[2J\ud800 ünïcödé 🚀"


@pytest.fixture(scope="module")
def canary():
    return run(played(Canary()))


def test_the_page_says_who_what_when_why_and_how_it_ended(canary):
    page = Parsed(telling.page(canary.course, canary.now))
    words = ("succeeded", "memory://web", "r1 v1", "r2 v2", "ada", "a patch", canary.entry.rollout)
    for word in (*words, digest(canary.entry.plan), "audit verify", "not on record"):
        assert word in page.text
    goals = [row[1] for row in page.rows if len(row) == 5 and row[4] == "reached"]
    assert goals == [str(step) for step in canary.entry.plan.steps]


def test_every_picture_has_a_title_a_sentence_and_a_table_of_the_same_figures(canary):
    told = canary.course
    page = Parsed(telling.page(told, canary.now))
    pictures = [each for each in page.named("svg") if each["class"] == "full"]
    assert len(pictures) == len([each for each in page.named("svg") if each["class"] == "slim"])
    assert len(pictures) == 3
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in page.named("svg"))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for each in told.sizes:
        row = [str(n) for n in (each.stable, each.candidate, each.stable + each.candidate, 8)]
        assert row in [found[1:] for found in page.rows]
    for each in told.shares:
        assert f"{each.candidate:g}" in [row[2] for row in page.rows if len(row) == 3]
    for each in told.gates[1].path:
        assert f"{10**each.log_e:.3g}" in [row[1] for row in page.rows if len(row) == 4]


def test_every_decision_is_there_with_its_arithmetic(canary):
    page = Parsed(telling.page(canary.course, canary.now))
    for each in canary.course.decisions:
        assert each.action in page.text
        assert each.why in page.text


def test_the_page_needs_nothing_and_allows_nothing(canary):
    text = telling.page(canary.course, canary.now)
    page = Parsed(text)
    (policy,) = [each["content"] for each in page.named("meta") if "http-equiv" in each]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{hashed}';" in policy
    assert "unsafe" not in policy
    assert "url(" not in style
    assert "@import" not in style
    assert not {"script", "link", "img", "iframe", "form"} & {name for name, _ in page.tags}
    reaching = {"src", "href", "style", "action"}
    assert not [a for _, a in page.tags if reaching & set(a) or any(n.startswith("on") for n in a)]


def test_texts_of_others_are_shown_and_do_nothing(canary):
    entry = evolve(
        canary.entry, actor=HOSTILE, reason=HOSTILE * 200, rollout="r" * 5000, fleet=HOSTILE
    )
    said = HOSTILE.replace("\ud800", "")  # A plan with one has no digest, and isn't made.
    image = evolve(entry.plan.candidate.image, name=said, version=said, commit=said)
    candidate = evolve(entry.plan.candidate, image=image)
    entry = evolve(entry, plan=evolve(entry.plan, candidate=candidate, strategy=said))
    told = evolve(
        canary.course,
        entry=entry,
        decisions=tuple(evolve(e, why=HOSTILE, detail=HOSTILE) for e in canary.course.decisions),
        gates=tuple(evolve(each, gate=HOSTILE) for each in canary.course.gates),
    )
    text = telling.page(told, canary.now)
    text.encode()  # Half a surrogate could not be.
    page = Parsed(text)
    assert "script" not in {name for name, _ in page.tags}
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    for char in ("\u202e", "\x00", "\x1b"):
        assert char not in text
    assert "more characters" in page.text
    assert "🚀" in page.text


def test_what_cannot_be_seen_is_spelled_out():
    assert visible("a\u202eb\x07\n") == "a\\u202eb\\u0007\n"
    assert visible("x" * (LONGEST + 3)) == "x" * LONGEST + " … (3 more characters)"


def test_a_rollout_that_runs_says_what_can_be_typed():
    made = run(played(Canary(), stop=60))
    page = Parsed(telling.page(made.course, made.now))
    assert "immutable promote memory://web" in page.text
    assert "immutable abort memory://web" in page.text


def test_a_thousand_instances_fit_into_a_megabyte():
    made = run(played(size=1000, spread=True))
    told = made.course
    assert len(told.decisions) > 200
    text = telling.page(told, made.now)
    assert len(text.encode()) <= 1_000_000
    page = Parsed(text)
    assert f"{len(told.decisions)} actions" in page.text
    fleet = looking.page("memory://web", made.state)
    assert len(fleet.encode()) <= 1_000_000
    assert "1000 instances" in Parsed(fleet).text


def test_long_lists_say_how_much_they_leave_out():
    shown, omitted = telling.page_of(range(1000))
    assert (shown[0], shown[-1], len(shown) + omitted) == (0, 999, 1000)
    assert omitted == 1000 - telling.ROWS


def test_the_fleets_page_says_what_runs_where_since_when_from_which_commit():
    made = run(played(Canary(), stop=60))
    group = made.state.groups[0]
    image = evolve(group.revision.image, commit="c0ffee")
    trouble = Trouble("shortage", HOSTILE, zone="a")
    group = evolve(group, revision=evolve(group.revision, image=image), trouble=trouble)
    state = evolve(made.state, groups=(group, *made.state.groups[1:]))
    page = Parsed(looking.page("memory://web", state, [made.entry]))
    rows = {row[0].split()[0]: row for row in page.rows[1:]}
    assert set(rows) == {each.id for each in state.instances}
    for each in state.instances:
        assert rows[each.id][1].startswith(f"r{each.revision} ")
        assert rows[each.id][2].startswith(each.state.value)
        assert rows[each.id][3] == each.zone
        assert rows[each.id][4]
    for word in ("c0ffee", "held by", made.entry.rollout, "<script>alert(1)</script>", "shortage"):
        assert word in page.text
    assert any(each.state is InstanceState.READY for each in state.instances)
