"""A real HTTP server on 127.0.0.1, in the loop of the test, with scripted answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hamon.clock import SystemClock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(code: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {code} Scripted", "Content-Length: 0", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    at: datetime
    """When it was there as a whole."""

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class HttpServer:
    """Gives `answers` one by one, then 200; an empty answer drops the connection, `hold` keeps it silent."""

    answers: list[bytes] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    hold: asyncio.Event | None = None
    endless: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
                content = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(method, path, headers, content, SystemClock().now()))
                if self.hold is not None:
                    await self.hold.wait()
                if self.endless:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                    while not writer.is_closing():
                        writer.write(b"x" * 16384)
                        await writer.drain()
                answer = self.answers.pop(0) if self.answers else OK
                if not answer:
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_server(answers: Sequence[bytes] = (), tls: ssl.SSLContext | None = None, **settings: Any) -> AsyncIterator[HttpServer]:
    made = HttpServer(answers=list(answers), **settings)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(made.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)
