"""Append mail to a local mbox file: for the demonstration, for tests, and for hosts whose mail is read in place."""

import asyncio
import contextlib
import mailbox
import os
from email.message import EmailMessage
from pathlib import Path
from typing import IO

from pydantic import Field

from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.notify.mail import MailAddress, address, mail
from hamon.notify.target import TargetSection

STALE_LOCK_SECONDS = 60.0
"""A lock file older than this was left by a program that died: appending takes milliseconds."""


class MailboxConfig(TargetSection):
    """`[notify.mailbox.NAME]`: append every message to a local mbox file."""

    path: Path
    """The mbox file; it is created with mode 0600, its folder must exist."""

    sender: MailAddress = "hamon <hamon@localhost>"
    """From address of the messages."""

    to: tuple[MailAddress, ...] = Field(default=("root@localhost",), min_length=1)
    """To addresses of the messages."""


class _Mbox(mailbox.mbox):
    def _pre_message_hook(self, file: IO[bytes]) -> None:
        """End a message that a crash cut short by a blank line, so that it does not swallow the one that is appended now."""
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        end = file.read(2)
        file.seek(0, os.SEEK_END)
        if size and end != b"\n\n":
            file.write(b"\n" if end.endswith(b"\n") else b"\n\n")


class MailboxNotifier:
    """One message a notification; it counts as handed over when it is on the disk."""

    def __init__(self, name: str, config: MailboxConfig, clock: Clock) -> None:
        self._name, self._path, self._clock = name, config.path, clock
        self._sender, self._to = address(config.sender), tuple(address(to) for to in config.to)
        self._one_at_a_time = asyncio.Lock()

    async def send(self, notification: Notification) -> None:
        now = self._clock.now()
        message = mail(notification, self._sender, self._to, now)
        message.set_unixfrom(f"From {self._sender.addr_spec} {now.ctime()}")
        async with self._one_at_a_time:
            await asyncio.to_thread(self._append, message)

    async def close(self) -> None:
        """Nothing is kept open between messages."""

    def _append(self, message: EmailMessage) -> None:
        try:
            self._prepare()
            box = _Mbox(self._path, create=False)
            try:
                box.lock()
                try:
                    # As bytes: given the message, mailbox writes each header in one line, with RFC 2047 words that are too long.
                    box.add(message.as_bytes(unixfrom=True))
                    box.flush()
                finally:
                    box.unlock()
            finally:
                box.close()
        except mailbox.ExternalClashError as err:
            raise DeliveryError(DeliveryReason.UNREACHABLE, "the mailbox file is locked by another program") from err
        except (OSError, mailbox.Error) as err:
            detail = err.strerror if isinstance(err, OSError) and err.strerror else type(err).__name__
            raise DeliveryError(DeliveryReason.UNREACHABLE, f"cannot write the mailbox file: {detail}") from err

    def _prepare(self) -> None:
        """Create the file for its owner alone, and remove a lock that a program left behind when it died."""
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            # The name of a new file is on the disk only once its folder is.
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        lock = Path(f"{self._path}.lock")
        with contextlib.suppress(FileNotFoundError):
            if self._clock.now().timestamp() - lock.stat().st_mtime > STALE_LOCK_SECONDS:
                lock.unlink()
