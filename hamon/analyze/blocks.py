"""Files in blocks of whole lines, or of whole records."""

import json
import re
from collections.abc import Iterator
from io import BufferedIOBase
from typing import IO

from hamon.analyze.files import UNREADABLE
from hamon.model.observation import TextForm
from hamon.parse.text import last_start

CHUNK_BYTES = 1024 * 1024
MAX_LINE_BYTES = 65536


def blocks_of(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of complete lines. Raises what ends a stream before its time (a compressed log that was cut) after all that came before it."""
    rest, failure = head, None
    while failure is None:
        block, failure = _some(stream)
        if not block:
            break
        rest += block
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > 16 * MAX_LINE_BYTES:
            rest = rest[:MAX_LINE_BYTES]
    if rest:
        yield rest
    if failure is not None:
        raise failure


def _some(stream: IO[bytes]) -> tuple[bytes, Exception | None]:
    """The next bytes, and what went wrong behind them: a large read of a compressed file gives nothing of what came before its fault."""
    if not isinstance(stream, BufferedIOBase):
        return stream.read(CHUNK_BYTES), None
    parts: list[bytes] = []
    missing = CHUNK_BYTES
    try:
        while missing > 0 and (part := stream.read1(missing)):
            parts.append(part)
            missing -= len(part)
    except UNREADABLE as err:
        return b"".join(parts), err
    return b"".join(parts), None


def syslog_jsonl(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Lines as a syslog receiver took them: `{"t": epoch, "src": address, "raw": datagram}`."""
    for block in blocks_of(head, stream):
        lines = []
        for row in block.splitlines():
            try:
                raw = str(json.loads(row)["raw"])
            except (ValueError, KeyError, TypeError):
                raw = ""
            lines.append(re.sub(r"^<\d{1,3}>", "", raw).replace("\n", "#012").encode("utf-8", "replace"))
        yield b"\n".join(lines) + b"\n"


def whole_records(blocks: Iterator[bytes], form: TextForm) -> Iterator[bytes]:
    """Blocks that end where a record does."""
    held = b""
    for block in blocks:
        held += block
        cut = last_start(form, held)
        if cut and cut < len(held):
            yield held[:cut]
            held = held[cut:]
        elif len(held) > 4 * CHUNK_BYTES:
            yield held
            held = b""
    if held:
        yield held
