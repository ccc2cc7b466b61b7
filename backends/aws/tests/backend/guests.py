"""What runs on the instances of a fleet with volumes: the real program of the guest, on threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

from immutable.errors import ImmutableError
from immutable_aws.attaching import attach_slot, into_service

_PAUSE = 0.05


class _Over(Exception):
    """The instance has ended, or the test."""


class Guests:
    """Plays every running member that waits for a slot, until it is closed.

    Args:
        emulator: Where.
        crash: Called with an instance's id before it goes into service; what it raises ends the
            guest's program, which is started again as after a reboot.

    Attributes:
        slots: Which slot each instance has got.
        crashed: How often a program was ended.
        made: The requests that were made, as service and name.
    """

    def __init__(self, emulator, crash=None):
        self._emulator, self._crash = emulator, crash
        self._ec2, self._scaling = emulator.client("ec2"), emulator.client("autoscaling")
        self._stopped, self._pool = Event(), ThreadPoolExecutor(16)
        self._begun = set()
        self.slots, self.crashed, self.made = {}, 0, set()
        for client in (self._ec2, self._scaling):
            client.meta.events.register("before-call", self._note)
        self._watch = Thread(target=self._look, daemon=True)

    def _note(self, model, **_):
        self.made.add((model.service_model.service_name, model.name))

    def __enter__(self):
        self._watch.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._watch.join()
        self._pool.shutdown()

    def _look(self):
        while not self._stopped.wait(_PAUSE):
            for each in self._emulator.members():
                new = each["id"] not in self._begun and each["state"] == "running"
                if new and (each["lifecycle"] or "").startswith("Pending"):
                    self._begun.add(each["id"])
                    self._pool.submit(self._run, each["id"])

    def _running(self, instance):
        return any(
            each["id"] == instance and each["state"] == "running"
            for each in self._emulator.members()
        )

    def _run(self, instance):
        def sleep(_):
            if self._stopped.wait(_PAUSE) or not self._running(instance):
                raise _Over

        try:
            while True:
                try:
                    slot, _ = attach_slot(self._ec2, instance, patience=60, sleep=sleep)
                    if self._crash is not None:
                        self._crash(instance)
                    self.slots[instance] = slot
                    into_service(self._scaling, instance, patience=60, sleep=sleep)
                    break
                except RuntimeError:  # It was ended in the midst of it.
                    self.crashed += 1
                    time.sleep(_PAUSE)
        except (_Over, ImmutableError):
            return  # Its place is somebody else's now, or nobody's.
