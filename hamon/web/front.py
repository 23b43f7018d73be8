"""What answers first. The pages and the API take longer to load than all else that hamon starts with, and nobody is told later for them.

The law: whether hamon lives and is ready is answered at once, and in the words of the application; whoever asks for more waits the moment
until that is loaded.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hamon.web.policy import ALWAYS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

Ready = Callable[[], Sequence[str]]
Answer = tuple[int, dict[str, object]]
"""A status, and what is said in JSON."""

_FIXED = [(name.lower().encode(), value.encode()) for name, value in (ALWAYS | {"Cache-Control": "no-store"}).items()]


HISTORY_AWAY = "the history cannot be written"
"""The reason while reading waits for the history."""


def is_stuck(ready: Ready) -> bool:
    """Whether what is shown may be old: nothing is read while it cannot be recorded."""
    return HISTORY_AWAY in ready()


def alive() -> Answer:
    """The answer of /healthz: status and what it says."""
    return 200, {"status": "ok"}


def readiness(ready: Ready) -> Answer:
    """The answer of /readyz."""
    reasons = list(ready())
    return (503 if reasons else 200), {"status": "not ready" if reasons else "ready", "reasons": reasons}


class Front:
    """Stand for the application that `build` gives, which is called once, in a thread."""

    def __init__(self, ready: Ready, build: "Callable[[], ASGIApp]") -> None:
        self._answers: dict[str, Callable[[], Answer]] = {"/healthz": alive, "/readyz": lambda: readiness(ready)}
        self._build = build
        self._app: ASGIApp | None = None
        self._loading: asyncio.Task[ASGIApp] | None = None

    def load(self) -> "asyncio.Task[ASGIApp]":
        """Begin to load the application, unless that was begun before."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return self._loading

    async def _load(self) -> "ASGIApp":
        try:
            self._app = await asyncio.to_thread(self._build)
        except Exception:
            log.exception("the pages cannot be loaded")
            self._app = self._broken
        return self._app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        app = self._app
        if app is None:
            if await self._answered(scope, send):
                return
            app = await asyncio.shield(self.load())
        await app(scope, receive, send)

    async def _answered(self, scope: "Scope", send: "Send") -> bool:
        """Whether it is a question that can be answered here, and was."""
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        if answer is not None:
            await _send(send, *answer())
        return answer is not None

    async def _broken(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and not await self._answered(scope, send):
            await _send(send, 500, {"status": "hamon met a defect of its own; its log tells more."})


async def _send(send: "Send", status: int, said: dict[str, object]) -> None:
    body = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"), *_FIXED]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
