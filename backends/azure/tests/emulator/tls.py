"""A certificate authority that lives as long as the process: the clients insist on https.

Bearer tokens are sent over TLS only (azure-core, BearerTokenCredentialPolicy).
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import trustme


def authority(*names: str) -> tuple[ssl.SSLContext, str]:
    """What the server speaks with, and the file that clients trust.

    Args:
        names: whom it speaks for; this machine when there are none.
    """
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    path = Path(tempfile.mkdtemp(prefix="azure-emulator-")) / "ca.pem"
    issuer.cert_pem.write_to_path(str(path))
    return context, str(path)
