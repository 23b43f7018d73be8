r"""Syslog as it comes over the network: messages out of a stream (RFC 6587), and a message as a line of a log file (RFC 3164, 5424).

Pure. What reads log files reads the lines, so that there is one place for the forms of lines. Where a message lacks a time or a host, those
of its arrival are put in.
"""

import re
from datetime import datetime
from typing import NamedTuple

MOST_DIGITS = 7
"""A message length in front of a message has at most so many digits; more is no length."""

_PRIORITY = re.compile(rb"^<(\d{1,3})>")
_RFC5424 = re.compile(
    rb"^1 (?P<time>\S+) (?P<host>\S{1,255}) (?P<app>\S{1,255}) (?P<process>\S{1,128}) (?P<id>\S{1,255}) (?P<rest>.*)$", re.DOTALL
)
_DATA = re.compile(rb'^(?:-|(?:\[[^ =\]"]+(?: [^ =\]"]+="(?:[^"\\\]]|\\.)*")*\])+)(?: |$)', re.DOTALL)
_RFC3164 = re.compile(
    rb"^(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\S+)[ ](?:(?P<host>[^\s:\[\]]+) )?(?P<rest>\S.*)$",
    re.DOTALL,
)
_TAG = re.compile(rb"^[^\s:\[\]]+(?:\[[^\]]*\])?:")
_OF_A_FILE = re.compile(rb"^\[\d+\] (?P<host>\S+) ")
"""corosync.log and pacemaker.log of 1.1 have the process before the host; rsyslog sends lines of files as they are."""
_BOM = b"\xef\xbb\xbf"
_NIL = b"-"


class Line(NamedTuple):
    """A message as a line without line end, and the host that it names."""

    host: str
    text: bytes


def as_line(message: bytes, received_at: datetime, sender: str) -> Line:
    r"""One message as a line; `sender` is the host that counts where the message names none.

    >>> as_line(b"<29>1 2026-11-22T10:52:22.5Z pm01 corosync 80 - - [KNET  ] link down\n", datetime.now(), "").text
    b'2026-11-22T10:52:22.5Z pm01 corosync[80]: [KNET  ] link down'
    >>> as_line(b"<29>Nov 22 10:52:22 pm01 crmd[3]:  notice: text", datetime.now(), "")
    Line(host='pm01', text=b'Nov 22 10:52:22 pm01 crmd[3]:  notice: text')
    """
    text = message.rstrip(b"\r\n\0")
    text = text.replace(b"\0", b"").replace(b"\r", b"#015").replace(b"\n", b"#012")
    if (priority := _PRIORITY.match(text)) is not None:
        text = text[priority.end() :]
    host, time, rest = sender.encode(), _now(received_at), text
    if (found := _RFC5424.match(text)) is not None and (data := _DATA.match(found["rest"])) is not None:
        time = found["time"] if found["time"] != _NIL else time
        host = found["host"] if found["host"] != _NIL else host
        process = b"[" + found["process"] + b"]" if found["process"] != _NIL else b""
        rest = found["app"] + process + b": " + found["rest"][data.end() :].removeprefix(_BOM)
    elif (found := _RFC3164.match(text)) is not None:
        time, rest = found["time"], found["rest"]
        if (of_file := _OF_A_FILE.match(rest)) is not None:
            return Line(of_file["host"].decode("ascii", "replace"), time + b" " + rest)
        if found["host"] is not None and not _TAG.match(rest) and _TAG.match(found["host"] + b" " + rest):
            rest = found["host"] + b" " + rest
        elif found["host"] is not None:
            host = found["host"]
    return Line(host.decode("ascii", "replace"), b" ".join((time, host, rest)))


def _now(received_at: datetime) -> bytes:
    return received_at.isoformat(timespec="milliseconds").encode()


class Frames:
    r"""Cut a stream into messages: by their length in front (octet counting), or by line ends; each message may choose.

    A line ends with LF, or with NUL as some senders have it (RFC 6587, 3.4.2). Of a message longer than `limit` bytes the first `limit`
    are kept. Memory is bounded by that, however the bytes arrive.

    >>> Frames(100).feed(b"5 <1>ab<2>line\n11 <3>two\nlines")
    [b'<1>ab', b'<2>line', b'<3>two\nline']
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._missing = 0
        """Bytes that the current message still lacks, when it is counted."""
        self._is_counted = False
        self._is_begun = False
        self._is_cut = False
        self.truncated = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now."""
        messages: list[bytes] = []
        here = 0
        while here < len(data):
            if not self._is_begun:
                here = self._begin(data, here)
            elif self._is_counted:
                taken = data[here : here + self._missing]
                here += len(taken)
                self._missing -= len(taken)
                self._keep(taken)
                if not self._missing:
                    messages.append(self._end())
            else:
                line_end = data.find(b"\n", here)
                other_end = data.find(b"\0", here, line_end if line_end >= 0 else len(data))
                line_end = other_end if other_end >= 0 else line_end
                self._keep(data[here : line_end if line_end >= 0 else len(data)])
                here = line_end + 1 if line_end >= 0 else len(data)
                if line_end >= 0:
                    messages.append(self._end())
        return [message for message in messages if message.strip()]

    def rest(self) -> bytes:
        """What came of a last message without its end."""
        return self._end() if self._is_begun or self._kept else b""

    def _begin(self, data: bytes, here: int) -> int:
        """Decide how the next message ends; digits may be torn apart by the network, so they are gathered first."""
        while here < len(data):
            byte = data[here : here + 1]
            if byte.isdigit() and len(self._kept) < MOST_DIGITS:
                self._kept += byte
                here += 1
                continue
            self._is_begun = True
            if byte == b" " and self._kept and int(self._kept):
                self._missing, self._is_counted = int(self._kept), True
                self._kept.clear()
                return here + 1
            self._is_counted = False
            return here
        return here

    def _keep(self, data: bytes) -> None:
        room = self._limit - len(self._kept)
        if len(data) > room:
            self._is_cut = True
        self._kept += data[: max(0, room)]

    def _end(self) -> bytes:
        message = bytes(self._kept)
        self.truncated += self._is_cut
        self._kept.clear()
        self._is_begun = self._is_counted = self._is_cut = False
        self._missing = 0
        return message
