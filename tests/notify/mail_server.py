"""A real SMTP server (aiosmtpd) on 127.0.0.1, in the loop of the test, that can be told to refuse, to hang up or to keep silent."""

import asyncio
import email
import email.policy
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.peers import need


def make_certificate(folder: Path, name: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """A self-made certificate for `name` and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=hamon test", "-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@dataclass
class Taken:
    """One accepted mail."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    user: str | None

    @property
    def mail(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)


@dataclass
class MailServer:
    """`data_answers` and `rcpt_answers` are given once each before everything is accepted.

    `hang_up_at` drops the connection at "DATA" or "after DATA": with the mail taken, but before the answer.
    """

    tls: ssl.SSLContext | None = None
    tls_from_start: bool = False
    user: tuple[str, str] | None = None
    data_answers: Iterator[str] = field(default_factory=lambda: iter(()))
    rcpt_answers: dict[str, list[str]] = field(default_factory=dict)
    sender_answer: str | None = None
    hang_up_at: str | None = None
    hold: asyncio.Event | None = None
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _sessions: list[SMTP] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        await self.down()

    async def up(self) -> None:
        loop = asyncio.get_running_loop()
        tls = self.tls if self.tls_from_start else None
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def _session(self) -> SMTP:
        self.connections += 1
        session = SMTP(
            self,
            hostname="test.invalid",
            tls_context=None if self.tls_from_start else self.tls,
            require_starttls=self.tls is not None and not self.tls_from_start,
            authenticator=self._authenticate if self.user else None,
            auth_required=self.user is not None,
            auth_require_tls=self.user is not None,
            timeout=60,
            loop=asyncio.get_running_loop(),
        )
        self._sessions.append(session)
        return session

    async def down(self) -> None:
        """Stop listening and drop every connection."""
        assert self._server is not None
        self._server.close()
        self.drop_connections()
        for _ in range(5):
            await asyncio.sleep(0)

    def drop_connections(self) -> None:
        for session in self._sessions:
            _drop(session)
        self._sessions.clear()

    def _authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert self.user is not None
        known = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == self.user
        return AuthResult(success=known, handled=False, auth_data=self.user[0])

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.sender_answer is not None:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answers = self.rcpt_answers.get(address)
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hold is not None:
            await self.hold.wait()
        if self.hang_up_at == "DATA":
            _drop(server)
            return "250 nobody hears this"
        answer = next(self.data_answers, None)
        if answer is not None and not answer.startswith("250"):
            return answer
        assert isinstance(envelope.content, bytes)
        self.taken.append(
            Taken(
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                content=envelope.content,
                encrypted=session.ssl is not None or self.tls_from_start,
                user=str(session.auth_data) if session.auth_data else None,
            )
        )
        if self.hang_up_at == "after DATA":
            _drop(server)
        return answer or "250 OK"


def _drop(session: SMTP) -> None:
    if session.transport is not None:
        assert isinstance(session.transport, asyncio.Transport)
        session.transport.abort()
