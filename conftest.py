"""What every test of the repository gets, wherever it is."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# A secret that must be seen nowhere after any test.
pytest_plugins = ("tests.support.canary",)

settings.register_profile(
    "default",
    deadline=None,  # A busy machine is no bug.
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# CI says the same of the same code; what searches further is `make test` and `make explore`.
settings.register_profile("steady", settings.get_profile("default"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Whoever plays them by nohup, or behind an ampersand, hands signals on as ignored, and to every
# process that a test starts. Tests of Ctrl-C, and programs that end by a signal, need them.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
