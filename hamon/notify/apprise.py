"""Hand notifications to any service that apprise knows, by its URL.

apprise is synchronous and says little about why it failed: it runs in a thread of its own with a time limit, and what can be read from its
captured log becomes the reason. Its own log stays inside this module, because it may quote the URL, which holds secrets.
"""

import asyncio
import contextlib
import logging
import re
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.model.incident import Notice, Severity
from hamon.notify.target import TargetSection
from hamon.notify.words import body_text, subject_line

if TYPE_CHECKING:
    from apprise import Apprise

_NOT_UNDERSTOOD = "apprise does not understand the URL: see its list of services"
_STATUS = re.compile(r"\berror=(\d{3})\b")

# urllib3 logs paths at debug, and whole URLs at warning when it retries.
logging.getLogger("urllib3").setLevel(logging.ERROR)
_apprise_log = logging.getLogger("apprise")
_apprise_log.setLevel(logging.WARNING)
_apprise_log.propagate = False
_apprise_log.addHandler(logging.NullHandler())


class AppriseConfig(TargetSection):
    """`[notify.apprise.NAME]`: hand every message to a service that apprise knows."""

    url: SecretStr | None = None
    """URL of the service in the form of apprise; it is treated as a secret."""

    url_file: Path | None = None
    """File that holds the URL; it is read anew for every message."""

    timeout_seconds: float = Field(default=30.0, gt=0, le=100)
    """Seconds to wait for the service."""

    @field_validator("url")
    @classmethod
    def _is_understood(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and _service(url.get_secret_value().strip()) is None:
            raise ValueError(f"{_NOT_UNDERSTOOD}, where each has its form")
        return url

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if self.url is None and self.url_file is None:
            raise ValueError("give url or url_file")
        return self


class AppriseNotifier:
    """One call of apprise a notification."""

    def __init__(self, name: str, config: AppriseConfig, clock: Clock) -> None:
        self._name, self._config, self._clock = name, config, clock
        self._busy = False
        self._service: tuple[str, Apprise] | None = None

    async def send(self, notification: Notification) -> None:
        if self._busy:
            raise DeliveryError(DeliveryReason.TIMEOUT, "the service has not come back from the call before")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[DeliveryError | None] = loop.create_future()

        def finish(result: DeliveryError | None) -> None:
            if not outcome.done():
                outcome.set_result(result)

        def call() -> None:
            result: DeliveryError | None = DeliveryError(DeliveryReason.DEFECT, "unexpected failure inside apprise", unsure=True)
            try:
                result = self._call(notification)
            finally:
                self._busy = False
                # RuntimeError: the loop was closed meanwhile, nobody waits any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(finish, result)

        # A daemon: a service that hangs must not hold up the stop of hamon.
        self._busy = True
        threading.Thread(target=call, name=f"apprise {self._name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                error = await outcome
        except TimeoutError as err:
            text = f"the service did not answer within {self._config.timeout_seconds:g} s"
            raise DeliveryError(DeliveryReason.TIMEOUT, text, unsure=True) from err
        if error is not None:
            raise error

    async def close(self) -> None:
        """Nothing is kept open between messages."""

    def _call(self, notification: Notification) -> DeliveryError | None:
        from apprise import AppriseResultStatus, NotifyFormat

        try:
            url = (self._config.secret("url") or "").strip()
        except (OSError, UnicodeDecodeError) as err:
            return DeliveryError(DeliveryReason.CREDENTIALS, f"cannot read url_file: {type(err).__name__}")
        if self._service is None or self._service[0] != url:
            service = _service(url)
            if service is None:
                return DeliveryError(DeliveryReason.REFUSED, _NOT_UNDERSTOOD)
            self._service = (url, service)
        result = self._service[1].notify(
            title=subject_line(notification),
            body=body_text(notification),
            notify_type=_notify_type(notification),
            body_format=NotifyFormat.TEXT,
        )
        if result:
            return None
        if result.status is AppriseResultStatus.TIMEOUT:
            return DeliveryError(DeliveryReason.TIMEOUT, "the service did not answer in time", unsure=True)
        return _why(" ".join(entry.message for entry in result.logs()))


def _service(url: str) -> "Apprise | None":
    with warnings.catch_warnings():
        # apprise (utils/pgp.py) looks for the module imghdr; where that is gone, from Python 3.13 on, it does without.
        warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)
        from apprise import Apprise, AppriseAsset

        # Nothing on the disk, no threads of its own, no limit of its own.
        asset = AppriseAsset(app_id="hamon", app_desc="hamon", async_mode=False, storage_mode="memory", service_timeout=0)
        service = Apprise(asset=asset)
        return service if url and service.add(url) and len(service) else None


def _why(said: str) -> DeliveryError:
    """Read the reason from apprise's log, which is not quoted because it may hold parts of the URL.

    Nothing is permanent here: a status code does not tell whether the message or the settings are at fault.
    """
    status = _STATUS.search(said)
    if status is not None:
        code = int(status[1])
        reason = {401: DeliveryReason.CREDENTIALS, 403: DeliveryReason.CREDENTIALS, 429: DeliveryReason.THROTTLED}.get(
            code, DeliveryReason.UNREACHABLE if code >= 500 else DeliveryReason.REFUSED
        )
        return DeliveryError(reason, f"the service answers with status {code}")
    if "onnection error" in said:
        return DeliveryError(DeliveryReason.UNREACHABLE, "no connection to the service")
    return DeliveryError(DeliveryReason.REFUSED, "the service did not take the message; apprise gives no reason")


def _notify_type(notification: Notification) -> str:
    if notification.transition.notice is Notice.CLOSING:
        return "success"
    if notification.transition.incident.part_of is not None:
        return "info"
    severity = notification.transition.incident.severity
    if notification.transition.notice is Notice.REMINDER:
        return "warning"
    if severity in (Severity.CRITICAL, Severity.MAJOR):
        return "failure"
    return "info" if severity is Severity.INFO else "warning"
