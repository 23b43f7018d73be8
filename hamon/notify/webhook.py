"""Post notifications as JSON to a URL of the operator (the body is documented in README.md beside this module)."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import re
import socket
import ssl
from dataclasses import asdict, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.model.incident import Incident
from hamon.notify.target import TargetSection
from hamon.notify.tls import client_context
from hamon.notify.words import body_text, one_line, subject_line
from hamon.tell import steps

BODY_VERSION = 1
MAX_TIMELINE = 500
"""Entries of the timeline in the body: the newest; `timeline_omitted` counts the others."""
MAX_RESPONSE_BYTES = 64 * 1024
AGAIN = frozenset({408, 425, 429})
# The message is not at fault, and token and URL may be changed in their files: so not permanent.
CREDENTIALS, NOBODY = frozenset({401, 403, 407}), frozenset({404, 405, 410})

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")

if TYPE_CHECKING:
    import httpx

# httpx writes every URL to its log at level info, httpcore its details at debug; URLs may hold secrets.
for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


class WebhookConfig(TargetSection):
    """`[notify.webhook.NAME]`: post every message as JSON to a URL."""

    url: SecretStr | None = None
    """The http or https URL; it is treated as a secret."""

    url_file: Path | None = None
    """File that holds the URL."""

    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers; their values are treated as secrets."""

    token: SecretStr | None = None
    """Token for the header Authorization: Bearer."""

    token_file: Path | None = None
    """File that holds the token; it is read anew for every message."""

    signing_key: SecretStr | None = None
    """Key to sign the body with: X-Hamon-Signature: sha256=HMAC-SHA256 in hex."""

    signing_key_file: Path | None = None
    """File that holds the signing key."""

    verify_certificate: bool = True
    """Whether the certificate of the server must be valid and carry its name."""

    ca_file: Path | None = None
    """PEM file with the certificate authorities to trust instead of those of the system."""

    timeout_seconds: float = Field(default=15.0, gt=0, le=100)
    """Seconds for the whole exchange."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _checked_url(url.get_secret_value())
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError("a header name holds a character that is not allowed there")
            if not _HEADER_VALUE.fullmatch(value.get_secret_value()):
                raise ValueError(f"the value of header {name} must be one line of ASCII")
        return headers

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if self.url is None and self.url_file is None:
            raise ValueError("give url or url_file")
        return self


def _checked_url(text: str) -> "httpx.URL":
    """The URL; raises ValueError, without its text, when it is none for http."""
    import httpx

    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the URL must begin with http:// or https:// and name a host")
    return url


def incident_fields(incident: Incident) -> dict[str, Any]:
    """All fields of the incident for JSON; times as ISO 8601 in UTC, of a long timeline the newest MAX_TIMELINE entries."""
    omitted = max(0, len(incident.timeline) - MAX_TIMELINE)
    fields = asdict(replace(incident, timeline=incident.timeline[omitted:]))
    return fields | {"timeline_omitted": omitted}


def body(notification: Notification) -> dict[str, Any]:
    """The JSON body, see README.md."""
    transition = notification.transition
    return {
        "version": BODY_VERSION,
        "id": notification.id,
        "repeated": notification.repeated,
        "test": notification.test,
        "notice": transition.told_as,
        "at": transition.at,
        "sequence": transition.sequence,
        "transition": transition.kind,
        "reason": transition.reason,
        "language": notification.language,
        "subject": subject_line(notification),
        "text": body_text(notification),
        "steps": [asdict(step) for step in steps(transition.incident, notification.language)],
        "incident": incident_fields(transition.incident),
    }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"no JSON form for {type(value).__name__}")


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """Seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3: seconds or a date); 0 without one that can be read."""
    if header is None:
        return 0.0
    if header.strip().isascii() and header.strip().isdigit():
        return float(min(int(header.strip()[:9]), 86400))
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, min((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 86400.0))


class WebhookNotifier:
    """One POST a notification, over connections that are kept."""

    def __init__(self, name: str, config: WebhookConfig, clock: Clock) -> None:
        self._name, self._config, self._clock = name, config, clock
        self._client: httpx.AsyncClient | None = None

    async def send(self, notification: Notification) -> None:
        import httpx  # takes its time: only where a webhook is configured

        content = json.dumps(body(notification), ensure_ascii=True, default=_plain).encode("ascii")
        url, headers = await asyncio.to_thread(self._prepare, notification, content)
        if self._client is None:
            tls = await asyncio.to_thread(client_context, self._config.ca_file, verify=self._config.verify_certificate)
            self._client = httpx.AsyncClient(verify=tls, follow_redirects=False, timeout=self._config.timeout_seconds)
        try:
            async with (
                asyncio.timeout(self._config.timeout_seconds),
                self._client.stream("POST", url, content=content, headers=headers) as answer,
            ):
                size = 0
                async for chunk in answer.aiter_raw():
                    size += len(chunk)
                    if size > MAX_RESPONSE_BYTES:
                        break
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as err:
            raise DeliveryError(DeliveryReason.TIMEOUT, "no connection to the server in time") from err
        except (httpx.TimeoutException, TimeoutError) as err:
            raise DeliveryError(DeliveryReason.TIMEOUT, "the server did not answer in time", unsure=True) from err
        except httpx.ConnectError as err:
            raise DeliveryError(DeliveryReason.UNREACHABLE, f"no connection to the server: {_cause(err)}") from err
        except (httpx.HTTPError, httpx.InvalidURL) as err:
            raise DeliveryError(DeliveryReason.UNREACHABLE, f"the exchange broke off: {type(err).__name__}", unsure=True) from err
        self._judge(answer)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _judge(self, answer: "httpx.Response") -> None:
        code = answer.status_code
        text = f"the server answers HTTP {code}"
        if 200 <= code < 300:
            return
        if code in AGAIN or code >= 500:
            reason = DeliveryReason.THROTTLED if code in (425, 429, 503) else DeliveryReason.UNREACHABLE
            wait = retry_after_seconds(answer.headers.get("Retry-After"), self._clock.now())
            raise DeliveryError(reason, text, retry_after_seconds=wait)
        if code in CREDENTIALS:
            raise DeliveryError(DeliveryReason.CREDENTIALS, text)
        if code in NOBODY:
            raise DeliveryError(DeliveryReason.REFUSED, f"{text}: nobody takes messages at this URL")
        if code < 400:
            raise DeliveryError(DeliveryReason.REFUSED, f"{text}: redirects are not followed, give the final URL")
        raise DeliveryError(DeliveryReason.REFUSED, text, permanent=True)

    def _prepare(self, notification: Notification, content: bytes) -> "tuple[httpx.URL, dict[str, str]]":
        """Read the secrets (files, so not on the event loop) and make the headers."""
        try:
            url = _checked_url(self._config.secret("url") or "")
        except (OSError, ValueError) as err:
            raise DeliveryError(DeliveryReason.REFUSED, f"url_file does not give a URL: {type(err).__name__}") from None
        try:
            token, key = self._config.secret("token"), self._config.secret("signing_key")
        except (OSError, UnicodeDecodeError) as err:
            raise DeliveryError(DeliveryReason.CREDENTIALS, f"cannot read token_file or signing_key_file: {type(err).__name__}") from err
        headers = {name: value.get_secret_value() for name, value in self._config.headers.items()}
        headers |= {
            "Content-Type": "application/json",
            "User-Agent": "hamon",
            "Accept-Encoding": "identity",
            "Idempotency-Key": one_line(notification.id, 500).encode("ascii", "backslashreplace").decode("ascii"),
        }
        if token is not None:
            if not _HEADER_VALUE.fullmatch(token):
                raise DeliveryError(DeliveryReason.CREDENTIALS, "the token must be one line of ASCII")
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["X-Hamon-Signature"] = f"sha256={hmac.new(key.encode(), content, hashlib.sha256).hexdigest()}"
        return url, headers


def _cause(err: BaseException) -> str:
    """The innermost reason, as the system words it, without the host."""
    found, text = err.__cause__ or err.__context__, "connection failed"
    for _ in range(10):
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {found.verify_message}"
        if isinstance(found, socket.gaierror):
            return "its name is not known"
        if isinstance(found, OSError) and found.errno:
            # Not its own text, in which asyncio names the address.
            text = os.strerror(found.errno)
        if found is None:
            break
        found = found.__cause__ or found.__context__
    return one_line(text, 200)
