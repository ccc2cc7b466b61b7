"""Ways past the backend, for the conformance suite: all of it asks or changes the cloud itself.

None is needed to begin with: what isn't here makes its checks skip, and say what they need.
"""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice

from immutable.testing import Accessors, Mishap

# The requests by which a method changes something, as Cloud.fail matches them: method, path, body.
FIRST = {
    "observe": r"GET /groups",
    "create_revision": r'PATCH /pools/.*"last"',
    "hold": r'PATCH /groups/.*"hold": "',
    "grow": r'PATCH /groups/\S+ {"size": \d+}$',
    "retire": r"POST /groups/\S+/drain",
    "delete_revision": r"DELETE /groups/",
}
LAST = {**FIRST, "create_revision": r"PUT /groups/"}


class AcmeAccessors(Accessors):
    # -- what there really is ------------------------------------------------------------------

    def group(self, fleet, revision):
        self.cloud.tick()
        return self.cloud.groups[f"{fleet}-r{revision}"]

    async def raw_members(self, fleet, revision):
        with self.cloud.lock:
            return {each["id"] for each in self.cloud.members(self.group(fleet, revision))}

    async def raw_serving(self, fleet):
        return set(self.cloud.serving(fleet))

    async def send(self, fleet, count):
        return Counter(islice(cycle(self.cloud.serving(fleet)), count))

    # -- what others do ------------------------------------------------------------------------

    async def raw_kill(self, fleet, instance):
        with self.cloud.lock:
            del self.cloud.servers[instance]

    async def raw_fail_health(self, fleet, instance):
        with self.cloud.lock:
            self.cloud.servers[instance]["state"] = "failing"

    async def raw_protect(self, fleet, instance):
        with self.cloud.lock:
            self.cloud.servers[instance]["protected"] = True

    def change(self, fleet, revision, **values):
        with self.cloud.lock:
            self.group(fleet, revision).update(values)

    async def raw_resize(self, fleet, revision, size):
        self.change(fleet, revision, size=size)

    async def raw_scale_in(self, fleet, revision):
        if self.group(fleet, revision)["scale_in"]:
            self.change(fleet, revision, size=self.group(fleet, revision)["size"] - 1)

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        self.change(fleet, revision, minimum=minimum, maximum=maximum)

    async def raw_scaling(self, fleet, revision):
        self.change(fleet, revision, scaling="cpu 50 %")

    # -- what goes wrong -----------------------------------------------------------------------

    async def mishap(self, call, kind):
        if call not in FIRST or kind is Mishap.PARTLY:  # Acme drains all or none.
            await super().mishap(call, kind)
        refusals = {
            Mishap.THROTTLED: (429, "busy"),
            Mishap.SHORTAGE: (503, "no-room"),
            Mishap.QUOTA: (403, "quota"),
            Mishap.DENIED: (403, ""),
            Mishap.MISSING_PAGE: (500, ""),
        }
        if kind in refusals:
            self.cloud.fail(FIRST[call], *refusals[kind])
        elif kind is Mishap.HALF_MADE:
            self.cloud.fail(LAST[call], 500)
        elif kind is Mishap.LOST:
            self.cloud.fail(LAST[call], 502, effect=True)
        else:
            self.cloud.fail(LAST[call], 504, late=self.late)

    async def no_room(self, fleet, full):
        with self.cloud.lock:
            self.cloud.room = len(self.cloud.servers) if full else 1000

    async def slow_drains(self, fleet, seconds):
        self.cloud.busy[fleet] = seconds
