"""What docs/metrics.md shows is what is done."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import fields

from immutable.metrics import PrometheusAddress
from immutable.metrics.questions import question

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def address():
    (line,) = re.findall(r"^    prometheus:(.*)$", PAGE, re.MULTILINE)
    return PrometheusAddress.parse(line)


def test_the_address_by_hand_is_the_one_of_the_program():
    names = {}
    exec(blocks("python")[0], names)
    assert names["prometheus"] == address()
    assert names["strategy"].gates[1].source == address().source


def test_the_query_is_the_one_that_is_asked():
    (shown,) = blocks("text")
    flat = re.sub(r"\s+", " ", shown).strip()
    assert flat == question(address(), "web", (3, 4))


def test_every_option_is_explained_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE))
    options = {each.name: each.default for each in fields(PrometheusAddress) if each.name != "url"}
    assert rows.keys() == options.keys()
    for name in ("fleet", "revision", "series", "timeout"):
        assert rows[name] == f"`{options[name]}`".replace(".0`", "`")
