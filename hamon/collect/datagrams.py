"""Read many datagrams of a socket at once: recvmmsg(2), which Python's own socket lacks.

Why not recvfrom: it gives the interpreter's lock away with every call. While another thread computes, each datagram then costs a wait of
milliseconds, and the kernel's buffer overflows at a few hundred a second. One call here takes hundreds, and keeps the lock.
"""

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

AT_ONCE = 256
_NAME_OCTETS = 32
_MOST_NAMES = 4096


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    """recvmsg(2), as Linux lays it out on machines of 64 bits."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint32))


Address = Any
"""As the socket module has it, so that an answer can be sent there."""


def _recvmmsg() -> Callable[..., int] | None:
    """The call, where there is one and the structures above are its own. PyDLL keeps the interpreter's lock."""
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        return ctypes.PyDLL(None, use_errno=True).recvmmsg
    except (OSError, AttributeError):
        return None


class Datagrams:
    """Of one bound, non-blocking socket. Of more than `size` octets come `size` + 1, so that a datagram is seen to be too long."""

    def __init__(self, sock: socket.socket, size: int) -> None:
        self._sock, self._size = sock, size + 1
        self._call = _recvmmsg()
        self._addresses: dict[bytes, Address] = {}
        if self._call is not None:
            self._prepare()

    def _prepare(self) -> None:
        size = self._size
        self._octets: Any = ctypes.create_string_buffer(AT_ONCE * size)
        self._names: Any = ctypes.create_string_buffer(AT_ONCE * _NAME_OCTETS)
        vectors, self._headers = (_IoVec * AT_ONCE)(), (_MMsgHdr * AT_ONCE)()
        for number in range(AT_ONCE):
            vectors[number].base = ctypes.addressof(self._octets) + number * size
            vectors[number].length = size
            header = self._headers[number].header
            header.name = ctypes.addressof(self._names) + number * _NAME_OCTETS
            header.name_length = 16 if self._sock.family == socket.AF_INET else 28
            header.iov = ctypes.addressof(vectors[number])
            header.iov_length = 1
        self._vectors = vectors  # kept alive: the headers point to them
        self._step = ctypes.sizeof(_MMsgHdr) // 4
        self._length_at = _MMsgHdr.length.offset // 4
        self._numbers = memoryview(self._headers).cast("B").cast("I")

    def read(self) -> list[tuple[bytes, Address]]:
        """What is there, `AT_ONCE` at most, with where each came from; nothing where there is none now."""
        if self._call is None:
            return self._read_one_by_one()
        count = self._call(self._sock.fileno(), self._headers, AT_ONCE, socket.MSG_DONTWAIT, None)
        if count <= 0:
            if ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM, errno.EFAULT, errno.EINVAL):
                return []
            # The system lets nobody call it: without it we are slower, but not deaf.
            self._call = None
            return self._read_one_by_one()
        octets, names, numbers, size = self._octets, self._names, self._numbers, self._size
        at, step, start, name_at = self._length_at, self._step, 0, 0
        addresses = self._addresses
        found: list[tuple[bytes, Address]] = []
        for _ in range(count):
            name = names[name_at : name_at + 28]
            found.append((octets[start : start + numbers[at]], addresses.get(name) or self._address(name)))
            at += step
            start += size
            name_at += _NAME_OCTETS
        return found

    def _address(self, name: bytes) -> Address:
        if len(self._addresses) >= _MOST_NAMES:
            self._addresses.clear()
        address = self._addresses[name] = _read_name(name, self._sock.family)
        return address

    def _read_one_by_one(self) -> list[tuple[bytes, Address]]:
        found: list[tuple[bytes, Address]] = []
        while len(found) < AT_ONCE:
            try:
                found.append(self._sock.recvfrom(self._size))
            except BlockingIOError:
                break
            except OSError:  # an answer of ours met a closed port
                continue
        return found


def _read_name(name: bytes, family: int) -> Address:
    """ip(7), ipv6(7): struct sockaddr_in and sockaddr_in6."""
    (port,) = struct.unpack_from("!H", name, 2)
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, name[4:8]), port
    (flow,) = struct.unpack_from("!I", name, 4)
    (scope,) = struct.unpack_from("=I", name, 24)
    return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, flow, scope
