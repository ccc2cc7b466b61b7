"""Images: numeric ids, families, deprecation.

https://cloud.google.com/compute/docs/images/image-families-best-practices
https://cloud.google.com/compute/docs/images/deprecate-custom
"""

from __future__ import annotations

import pytest
from google.api_core import exceptions


@pytest.fixture
def images(emulator):
    return emulator.client("images")


def deprecate(stage, images, name, state):
    status = {"state": state} if state else {}
    stage.done(
        images.deprecate_unary(project="acme", image=name, deprecation_status_resource=status)
    )


def test_an_image_is_found_by_name_and_by_id(stage, images):
    link = stage.image("web-1", family="web")
    number = link.rpartition("/")[2]
    assert number.isdigit()
    assert images.get(project="acme", image=number).name == "web-1"


def test_a_name_that_comes_back_has_another_id(stage, images):
    first = stage.image("web-1")
    stage.done(images.delete_unary(project="acme", image="web-1"))
    assert stage.image("web-1") != first
    with pytest.raises(exceptions.NotFound):
        images.get(project="acme", image=first.rpartition("/")[2])


def test_a_family_gives_its_newest_that_is_not_deprecated(stage, images):
    for name in ("web-1", "web-2", "web-3"):
        stage.image(name, family="web")
    deprecate(stage, images, "web-3", "DEPRECATED")
    assert images.get_from_family(project="acme", family="web").name == "web-2"
    deprecate(stage, images, "web-3", "")
    assert images.get_from_family(project="acme", family="web").name == "web-3"
    with pytest.raises(exceptions.NotFound, match="family/none"):
        images.get_from_family(project="acme", family="none")


def test_a_deprecated_image_can_be_used_and_an_obsolete_one_not(emulator, stage, images):
    link = stage.image("web-1")
    deprecate(stage, images, "web-1", "DEPRECATED")
    stage.template("web-r1", link)
    deprecate(stage, images, "web-1", "OBSOLETE")
    assert images.get(project="acme", image="web-1").deprecated.state == "OBSOLETE"
    with pytest.raises(exceptions.BadRequest, match="obsolete"):
        stage.template("web-r2", link)


def test_a_deprecation_is_taken_back_or_not(emulator, stage, images):
    stage.image("web-1")
    emulator.laws(undeprecates=False)
    for state in ("DEPRECATED", "OBSOLETE"):
        deprecate(stage, images, "web-1", state)
        for cleared in ("", "ACTIVE"):
            deprecate(stage, images, "web-1", cleared)
            assert images.get(project="acme", image="web-1").deprecated.state == state
    emulator.laws(undeprecates=True)
    deprecate(stage, images, "web-1", "")
    assert images.get(project="acme", image="web-1").deprecated.state == ""


def test_an_image_that_became_obsolete_starts_nothing_more(emulator, fleet, images, until):
    fleet.make(1)
    deprecate(fleet.stage, images, "web-1", "OBSOLETE")
    fleet.call("resize", size=2)
    stuck = until(lambda: [m for m in fleet.members() if m.last_attempt.errors.errors])[0]
    assert "obsolete" in stuck.last_attempt.errors.errors[0].message
    assert stuck.current_action == "CREATING"


def test_labels_need_their_fingerprint(stage, images):
    stage.image("web-1")
    old = images.get(project="acme", image="web-1").label_fingerprint

    def label(value):
        asked = {"labels": {"role": value}, "label_fingerprint": old}
        return images.set_labels_unary(
            project="acme", resource="web-1", global_set_labels_request_resource=asked
        )

    stage.done(label("web"))
    assert images.get(project="acme", image="web-1").labels == {"role": "web"}
    with pytest.raises(exceptions.PreconditionFailed):
        label("api")
