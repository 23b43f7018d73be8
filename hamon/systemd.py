r"""Tell systemd how the service is doing (sd_notify(3)); without $NOTIFY_SOCKET nothing happens.

The protocol is one datagram of lines `NAME=value` to a unix socket, so no library is needed.
"""

import os
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"


def status(text: str) -> str:
    """The assignment that makes `systemctl status` show `text`; line ends in it become blanks."""
    return "STATUS=" + " ".join(text.split())


def notify(state: str) -> None:
    r"""Send `state` (one or several assignments, parted by `\n`) to the socket that systemd named.

    It never waits and never fails: a service must not die because its supervisor does not listen.
    An address that begins with `@` is in the abstract name space (unix(7)).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return
