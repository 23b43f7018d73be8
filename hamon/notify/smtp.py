"""Send mail to an SMTP server over a connection that is kept for a while and made anew when it went stale.

What is permanent: a 5xx answer to the message itself (sender, recipients, content). Everything that the operator can mend without touching
the message (login, certificate, greeting, STARTTLS) is tried again.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from pydantic import Field, SecretStr, model_validator

from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.notify.mail import MailAddress, address, mail
from hamon.notify.target import TargetSection
from hamon.notify.tls import client_context
from hamon.notify.words import one_line

log = logging.getLogger(__name__)

PORTS = {"none": 25, "starttls": 587, "tls": 465}
MAX_PARTLY_SENT = 1000


class SmtpConfig(TargetSection):
    """`[notify.smtp.NAME]`: send every message by mail."""

    host: str = Field(min_length=1, pattern=r"^[^\s]+$")
    """Name or address of the mail server."""

    port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the mail server; without it 587 for starttls, 465 for tls, 25 for none."""

    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: starttls, tls from the start, or none."""

    verify_certificate: bool = True
    """Whether the certificate of the server must be valid and carry its name."""

    ca_file: Path | None = None
    """PEM file with the certificate authorities to trust instead of those of the system."""

    user: str | None = None
    """User to log in with; without it there is no login."""

    password: SecretStr | None = None
    """Password to log in with."""

    password_file: Path | None = None
    """File that holds the password; it is read anew for every login."""

    sender: MailAddress
    """From address, also as Name <address>; its domain stands in the Message-IDs."""

    to: tuple[MailAddress, ...] = Field(min_length=1)
    """Addresses that get the mail."""

    local_name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    """Name that hamon greets the server with; without it that of this host."""

    timeout_seconds: float = Field(default=30.0, gt=0, le=100)
    """Seconds to wait for the connection and for each answer."""

    idle_seconds: float = Field(default=60.0, ge=0, le=3600)
    """Seconds for which the connection is kept open after a mail."""

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        has_password = self.password is not None or self.password_file is not None
        if self.user is None and has_password:
            raise ValueError("password is given without user")
        if self.user is not None and not has_password:
            raise ValueError("user is given without password")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """Who still has to get a mail, how it is marked for them, and whether others got it already."""

    recipients: tuple[str, ...]
    repeated: bool
    reached: bool


class SmtpNotifier:
    """One mail a notification, to all recipients in one transaction."""

    def __init__(self, name: str, config: SmtpConfig, clock: Clock) -> None:
        self._name, self._config, self._clock = name, config, clock
        self._sender, self._to = address(config.sender), tuple(address(to) for to in config.to)
        self._client: SMTP | None = None
        self._tls: ssl.SSLContext | None = None
        self._one_at_a_time = asyncio.Lock()
        self._hanging_up: asyncio.Task[None] | None = None
        self._rest: dict[str, _Rest] = {}

    async def send(self, notification: Notification) -> None:
        async with self._one_at_a_time:
            await self._keep()
            sent = False
            try:
                await self._send(notification)
                sent = True
            finally:
                if not sent and self._client is not None:
                    # Also when cancelled: the dialogue stands somewhere in its middle.
                    self._client.close()
                    self._client = None
            self._hanging_up = asyncio.create_task(self._hang_up_when_idle())

    async def close(self) -> None:
        await self._keep()
        async with self._one_at_a_time:
            await self._hang_up()

    @property
    def connected(self) -> bool:
        """Whether a connection is kept open."""
        return self._client is not None and self._client.is_connected

    async def _send(self, notification: Notification) -> None:
        rest = self._rest.get(notification.id)
        recipients = rest.recipients if rest else tuple(to.addr_spec for to in self._to)
        message = mail(notification, self._sender, self._to, self._clock.now(), repeated=rest.repeated if rest else notification.repeated)
        content = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        try:
            client, refused = await self._announce(recipients)
            accepted = [recipient for recipient in recipients if recipient not in refused]
            if accepted:
                await self._hand_over(client, content)
            else:
                await client.rset()
        except SMTPResponseException as err:
            await self._hang_up()
            raise _refusal(err) from err
        except (SMTPException, OSError) as err:
            raise _unreachable(err) from err
        self._judge_refused(notification, refused, accepted)

    async def _announce(self, recipients: Sequence[str]) -> tuple[SMTP, dict[str, SMTPRecipientRefused]]:
        """Name sender and recipients; a kept connection that turns out to be dead is replaced, nothing was handed over yet."""
        client = self._client
        if client is not None and client.is_connected:
            try:
                return client, await self._envelope(client, recipients)
            except (SMTPServerDisconnected, SMTPTimeoutError):
                client.close()
            except SMTPSenderRefused as err:
                # RFC 5321, 3.8: a server may close an idle connection with 421.
                if err.code != 421:
                    raise
                client.close()
        self._client = None
        client = await self._connect()
        self._client = client
        return client, await self._envelope(client, recipients)

    async def _envelope(self, client: SMTP, recipients: Sequence[str]) -> dict[str, SMTPRecipientRefused]:
        await client.mail(self._sender.addr_spec)
        refused = {}
        for recipient in recipients:
            try:
                await client.rcpt(recipient)
            except SMTPRecipientRefused as err:
                refused[recipient] = err
        return refused

    async def _hand_over(self, client: SMTP, content: bytes) -> None:
        try:
            await client.data(content)
        except SMTPResponseException:
            raise
        except (SMTPException, OSError) as err:
            timeout = isinstance(err, TimeoutError)
            raise DeliveryError(
                DeliveryReason.TIMEOUT if timeout else DeliveryReason.UNREACHABLE,
                "no answer to the message in time" if timeout else "the connection broke before the server answered to the message",
                unsure=True,
            ) from err

    def _judge_refused(self, notification: Notification, refused: dict[str, SMTPRecipientRefused], accepted: Sequence[str]) -> None:
        """Report who was refused; raises DeliveryError when somebody should be tried again, or nobody was accepted."""
        for recipient, err in refused.items():
            extra = {"notifier": self._name, "recipient": recipient, "answer": _answer(err), "delivery": notification.id}
            log.warning("the mail server refused a recipient", extra=extra)
        later = tuple(recipient for recipient, err in refused.items() if err.code < 500)
        earlier = self._rest.pop(notification.id, None)
        reached = bool(accepted) or (earlier is not None and earlier.reached)
        if later:
            repeated = earlier.repeated if earlier else notification.repeated
            self._rest[notification.id] = _Rest(recipients=later, repeated=repeated, reached=reached)
            if len(self._rest) > MAX_PARTLY_SENT:
                del self._rest[next(iter(self._rest))]
            # `unsure`: after a restart it is not known any more who got the mail, then all get it again, marked as repeated.
            text = f"{len(later)} of {len(self._to)} recipients refused for now: {_answer(refused[later[0]])}"
            raise DeliveryError(DeliveryReason.THROTTLED, text, unsure=reached)
        if not reached:
            text = f"all recipients refused: {_answer(next(iter(refused.values())))}"
            raise DeliveryError(DeliveryReason.REFUSED, text, permanent=True)

    async def _connect(self) -> SMTP:
        config = self._config
        if self._tls is None and config.security != "none":
            self._tls = await asyncio.to_thread(client_context, config.ca_file, verify=config.verify_certificate)
        try:
            password = await asyncio.to_thread(config.secret, "password")
        except (OSError, UnicodeDecodeError) as err:
            raise DeliveryError(DeliveryReason.CREDENTIALS, f"cannot read password_file: {type(err).__name__}") from err
        client = SMTP(
            hostname=config.host,
            port=config.port or PORTS[config.security],
            local_hostname=config.local_name,
            timeout=config.timeout_seconds,
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            tls_context=self._tls,
            username=config.user,
            password=password,
        )
        try:
            await client.connect()
        except SMTPAuthenticationError as err:
            reason = DeliveryReason.CREDENTIALS if err.code >= 500 else DeliveryReason.THROTTLED
            raise DeliveryError(reason, f"the mail server refuses the login: {_answer(err)}") from err
        except SMTPResponseException as err:
            reason = DeliveryReason.REFUSED if err.code >= 500 else DeliveryReason.THROTTLED
            raise DeliveryError(reason, f"the mail server refuses the connection: {_answer(err)}") from err
        return client

    async def _keep(self) -> None:
        """Stop waiting to hang up."""
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            await asyncio.wait([self._hanging_up])
            self._hanging_up = None

    async def _hang_up_when_idle(self) -> None:
        await asyncio.sleep(self._config.idle_seconds)
        await self._hang_up()

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected:
            with contextlib.suppress(SMTPException, OSError):
                await client.quit(timeout=1)
        client.close()


def _answer(err: SMTPResponseException) -> str:
    return one_line(f"{err.code} {err.message}", 200)


def _refusal(err: SMTPResponseException) -> DeliveryError:
    if err.code == 530:
        return DeliveryError(DeliveryReason.CREDENTIALS, f"the mail server wants a login or encryption: {_answer(err)}")
    if err.code < 500:
        return DeliveryError(DeliveryReason.THROTTLED, f"the mail server refuses for now: {_answer(err)}")
    return DeliveryError(DeliveryReason.REFUSED, f"the mail server refuses the message: {_answer(err)}", permanent=True)


def _unreachable(err: SMTPException | OSError) -> DeliveryError:
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DeliveryError(DeliveryReason.UNREACHABLE, f"the certificate of the mail server is not accepted: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError):
            return DeliveryError(DeliveryReason.UNREACHABLE, f"no encrypted connection to the mail server: {cause.reason or 'TLS error'}")
        cause = cause.__cause__
    if isinstance(err, TimeoutError):
        return DeliveryError(DeliveryReason.TIMEOUT, "the mail server does not answer in time")
    if isinstance(err, OSError):
        return DeliveryError(DeliveryReason.UNREACHABLE, f"no connection to the mail server: {one_line(str(err), 200)}")
    return DeliveryError(DeliveryReason.REFUSED, f"the mail server cannot do what is asked: {one_line(str(err), 200)}")
