"""What a fleet follows and how: read back as it was written, refused when it makes no sense."""

from __future__ import annotations

import pytest
from attrs import frozen

from immutable import BlueGreen, Canary, InvalidValue, Limits
from immutable.admission import Weekly
from immutable.catalog import assign
from immutable.errors import CatalogRefused
from immutable.following import Following, follow, unfollow
from immutable.gates import Analysis, Health
from tests.support.cataloguing import PRODUCTION, after, catalog_of

FLEET = "memory://web"


@pytest.mark.parametrize(
    "following",
    [
        Following(PRODUCTION),
        Following(PRODUCTION, BlueGreen(bake=60), Limits("25%", 1), automatic=True, at_most="25%"),
        Following(
            PRODUCTION,
            Canary(("10%", "50%"), gates=(Health(), Analysis())),
            automatic=True,
            windows=[Weekly(["sat", "sun"], "22:00", "06:00", "Europe/Berlin")],
        ),
    ],
    ids=str,
)
def test_what_is_followed_is_the_same_when_it_is_read_back(following):
    assert Following.load(following.dump()) == following
    assert Following.load(following.dump()).dump() == following.dump()


@frozen
class Leap:
    def steps(self, state, able):
        raise AssertionError


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Following("production"), "channel"),
        (lambda: Following(PRODUCTION, Leap()), "strategy"),
        (lambda: Following(PRODUCTION, at_most=0), "at_most"),
        (lambda: Following(PRODUCTION, at_most="0%"), "at_most"),
        (lambda: Following(PRODUCTION, at_most="many"), "percentage"),
    ],
)
def test_what_makes_no_sense_can_not_be_made(make, name):
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.name == name


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"immutable-following":2}', "no json"])
def test_what_is_something_else_is_not_read(text):
    with pytest.raises(InvalidValue, match="let the fleet follow anew"):
        Following.load(text)


def test_a_fleet_follows_a_channel_that_is_there_until_it_does_not():
    catalog = catalog_of("1")
    with pytest.raises(InvalidValue, match="no such channel"):
        follow(catalog, FLEET, Following(PRODUCTION), actor="ada")
    catalog = after(catalog, assign(catalog, PRODUCTION, "web:1", 0.0, actor="ada"))
    with pytest.raises(CatalogRefused, match="follows nothing; these do: none"):
        unfollow(catalog, FLEET, actor="ada")
    (record,) = follow(catalog, FLEET, Following(PRODUCTION), actor="ada", reason="agreed")
    assert (record.fleet, record.reason) == (FLEET, "agreed")
    catalog = after(catalog, [record])
    assert follow(catalog, FLEET, Following(PRODUCTION), actor="bob") == ()
    assert after(catalog, unfollow(catalog, FLEET, actor="ada")).followers == {}
