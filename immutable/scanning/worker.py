"""The process that looks: documents on its input, what came of them on its output.

A line each way, as JSON. A request is ``{"name": …, "data": base64}``; an answer has ``findings``
and ``skipped``. The first line out says that it is ready. Nothing else is written anywhere: an
error that escaped could hold what was read.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from typing import Any

from immutable.scanning.finding import Document, Seen
from immutable.scanning.looking import look
from immutable.scanning.plugins import found_by_plugins

__all__ = ["answer", "main"]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return what came of a request."""
    document = Document(request["name"], b64decode(request["data"]))
    try:
        seen = look(document)
    except Exception as error:  # noqa: BLE001  # Its text may hold a secret; its name does not.
        seen = Seen(skipped=f"it could not be looked at ({type(error).__name__})")
    found = [[e.line, e.rule, list(e.how), e.fingerprint] for e in seen.findings]
    return {"findings": found, "skipped": seen.skipped}


def main() -> None:
    """Answer until there is no more input."""
    list(found_by_plugins(""))  # What takes long is loaded before it says that it is ready.
    out = sys.stdout
    out.write("{}\n")
    out.flush()
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
