"""TLS towards a server that takes notifications."""

import ssl
from pathlib import Path


def client_context(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext:
    """Trust the authorities of `ca_file`, or those of the system. It reads files: not on the event loop. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
