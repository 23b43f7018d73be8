"""How the metrics travel: in pieces, compressed where the client takes it, and never in the way of the event loop."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hamon.expose.ha_cluster import RoleNames

SMALL_BYTES = 1400
"""What fits into a packet is not worth compressing."""
PIECE_BYTES = 512 * 1024
LEVEL = 1
"""Of zlib: metrics repeat themselves so much that more effort gains little."""
_GZIP = 16 + zlib.MAX_WBITS
_ACCEPTED = re.compile(r"\s*(gzip|x-gzip|\*)\s*(?:;\s*q=([0-9.]+))?\s*", re.IGNORECASE)


class Metrics(Protocol):
    """Where the numbers come from (see hamon.metrics)."""

    def scrape(self) -> tuple[Sequence[bytes], str]:
        """The whole exposition in pieces, and its content type; called in a thread."""
        ...

    async def ha_cluster(self, cluster: str, roles: RoleNames | None = None) -> bytes | None:
        """The metrics of ha_cluster_exporter for one cluster; None: no such cluster is polled."""
        ...


def takes_gzip(accepted: str) -> bool:
    """Whether the header Accept-Encoding allows gzip.

    >>> takes_gzip("deflate, gzip;q=1.0"), takes_gzip("gzip;q=0, *"), takes_gzip("identity")
    (True, False, False)
    """
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        if found := _ACCEPTED.fullmatch(part):
            try:
                weights[found[1].lower().removeprefix("x-")] = float(found[2] or 1)
            except ValueError:
                weights[found[1].lower()] = 0
    return weights.get("gzip", weights.get("*", 0)) > 0


def exposition(request: Request, chunks: Sequence[bytes], content_type: str) -> Response:
    """The answer to a scrape."""
    headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
    size = sum(map(len, chunks))
    if size > SMALL_BYTES and takes_gzip(request.headers.get("Accept-Encoding", "")):
        headers["Content-Encoding"] = "gzip"
        if size <= PIECE_BYTES:
            return Response(_whole(chunks), headers=headers)
        return StreamingResponse(_compressed(chunks), headers=headers)
    if size <= PIECE_BYTES:
        return Response(b"".join(chunks), headers=headers)
    return StreamingResponse(_plain(chunks), headers=headers | {"Content-Length": str(size)})


def _whole(chunks: Sequence[bytes]) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    return b"".join([*[packer.compress(chunk) for chunk in chunks], packer.flush()])


async def _compressed(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """One stream; each piece is compressed in a thread, which leaves the interpreter free."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    for piece in _pieces(chunks):
        if packed := await asyncio.to_thread(packer.compress, piece):
            yield packed
    yield packer.flush()


async def _plain(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in _pieces(chunks):
        yield piece


def _pieces(chunks: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about equal size."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        if len(chunk) > PIECE_BYTES:
            if waiting:
                yield b"".join(waiting)
                waiting, size = [], 0
            for begin in range(0, len(chunk), PIECE_BYTES):
                yield chunk[begin : begin + PIECE_BYTES]
            continue
        waiting.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
