"""The headers of `policy.py`, on every answer."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hamon.web.policy import ALWAYS


class SecurityHeaders:
    """Set `ALWAYS` on every answer, and forbid caching of all but the static files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for key, value in ALWAYS.items():
                    headers[key] = value
                # The address of a static file carries its version, so it may be kept for long.
                fixed = scope["path"].startswith("/static/") and message["status"] in (200, 304)
                headers["Cache-Control"] = "public, max-age=31536000, immutable" if fixed else "no-store"
            await send(message)

        await self.app(scope, receive, sending)
