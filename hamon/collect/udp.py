"""Sockets for datagrams: taking an address, the size of the kernel's buffer, and what the kernel dropped."""

import asyncio
import logging
import os
import socket
from collections.abc import Collection, Iterable, Mapping

from hamon.collect.network import Listen
from hamon.errors import ConfigError, Problem

log = logging.getLogger(__name__)

_SO_RCVBUFFORCE = 33
"""Linux, asm-generic/socket.h: like SO_RCVBUF, past net.core.rmem_max, for who may (CAP_NET_ADMIN)."""


def open_socket(listen: Listen, buffer_bytes: int, key: str) -> socket.socket:
    """Listen there; raises ConfigError, for the setting `key`, where the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as err:
        raise _refused(listen, key, err) from err
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        _enlarge(sock, listen, buffer_bytes)
        sock.bind(address)
    except OSError as err:
        sock.close()
        raise _refused(listen, key, err) from err
    return sock


def _refused(listen: Listen, key: str, err: OSError) -> ConfigError:
    if isinstance(err, PermissionError):
        hint = "ports below 1024 need a right: AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or redirect 162 to 9162"
    else:
        hint = "another program (snmptrapd, rsyslogd) may listen there, or the address is not one of this host"
    message = f"cannot listen on {listen} for datagrams: {err.strerror or err}"
    return ConfigError([Problem(id="address-not-available", key=key, message=message, hint=hint)])


def _enlarge(sock: socket.socket, listen: Listen, wanted: int) -> None:
    """Ask for a buffer that holds a burst; Linux says twice what it gives, for its own needs."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
    given = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    if given < wanted:
        log.warning(
            "the kernel gives datagrams a smaller buffer than wanted, and a burst may be lost; raise net.core.rmem_max",
            extra={"address": str(listen), "wanted": wanted, "given": given},
        )


class Drops:
    """What the kernel dropped of our sockets, since it was last asked."""

    def __init__(self, sockets: Iterable[socket.socket] = ()) -> None:
        self._known = dict.fromkeys(map(inode, sockets), 0)

    async def read(self) -> Mapping[int, int]:
        """How many it dropped for each socket, by inode."""
        return await asyncio.to_thread(kernel_drops, tuple(self._known))

    def new(self, drops: Mapping[int, int]) -> int:
        """How many of these are new."""
        new = sum(max(0, dropped - self._known.get(number, 0)) for number, dropped in drops.items())
        self._known.update(drops)
        return new


def kernel_drops(inodes: Collection[int]) -> Mapping[int, int]:
    """How many datagrams the kernel dropped for each of our sockets, by inode; what cannot be read is left out.

    proc(5): the last column of /proc/net/udp and udp6 is `drops`, the tenth `inode`.
    """
    found: dict[int, int] = {}
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            with open(table, encoding="ascii", errors="replace") as lines:
                next(lines, None)
                for line in lines:
                    columns = line.split()
                    if len(columns) >= 13 and columns[9].isdigit() and int(columns[9]) in inodes:
                        found[int(columns[9])] = int(columns[-1])
        except OSError:
            continue
    return found


def inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino
