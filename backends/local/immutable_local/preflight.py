"""What would stop a rollout on this machine, found before anything is changed. Blocks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from immutable.backend import BackendError, Plan, Problem, Revision
from immutable_local import guest, processes
from immutable_local.disk import check_room, reporting
from immutable_local.images import ImageStore

__all__ = ["problems", "secret_problems"]

_ROOM = 256 * 1024


def problems(store: ImageStore, folder: Path, plan: Plan) -> tuple[Problem, ...]:
    """Look for the images, intact, for ports, and for secrets in files of this machine.

    Args:
        store: Where images are.
        folder: Where the fleet's records are kept.
        plan: What is to be carried out.
    """
    found = secret_problems(store, plan.candidate)
    for digest in {plan.stable.image.digest, plan.candidate.image.digest}:
        found += _image_problems(store, digest)
    found += _room_problems(folder)
    try:
        taken: set[int] = set()
        for _ in range(plan.bounds.surge):
            taken.add(processes.free_port(taken))
    except Exception as error:  # noqa: BLE001  # Each is a reason why it would not work.
        found.append(Problem(str(error), "end something that listens, or lower max_surge"))
    return tuple(found)


def secret_problems(store: ImageStore, revision: Revision) -> list[Problem]:
    """Look for the files that a revision's secrets are in."""
    full = False
    with suppress(BackendError):  # What is wrong with the image is said elsewhere.
        full = store.resolve(revision.image.digest).rootfs
    return guest.problems(revision.config.secrets, rootfs=full)


def _room_problems(folder: Path) -> list[Problem]:
    """Look whether the supervisor could write down what happens in a rollout."""
    try:
        with reporting(f"writing {_ROOM // 1024} kB into {folder}"):
            check_room(folder, _ROOM)
    except BackendError as error:
        return [Problem(error.message, "make room there, or keep fleets elsewhere by ?dir=")]
    return []


def _image_problems(store: ImageStore, digest: str) -> list[Problem]:
    try:
        image = store.resolve(digest)
        store.unpack(digest)
        changed = store.verify(digest)
    except Exception as error:  # noqa: BLE001  # The same.
        return [Problem(str(error), "build it again, or name another")]
    if not changed:
        return []
    way_out = "build it again"
    return [Problem(f"image {image} was changed on disk: {', '.join(changed[:5])}", way_out)]
