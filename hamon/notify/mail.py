"""A notification as a mail message (RFC 5322), the same for the SMTP server and for the mailbox file.

The law: the Message-ID depends on the notification id alone, so that a repeat carries the same one and is recognised.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator

from hamon.model.delivery import Notification
from hamon.notify.words import body_text, subject_line

_PLAIN = r"(?P<user%d>[A-Za-z0-9.!#$%%&'*+/=?^_`{|}~-]{1,64})@(?P<domain%d>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?)"
_ADDRESS = re.compile(rf'"?(?P<name>[^<>"\x00-\x1f\x7f]*?)"?\s*<{_PLAIN % (1, 1)}>|{_PLAIN % (2, 2)}')

_VERBATIM = frozenset({"message-id", "in-reply-to", "references", "x-hamon-incident"})


class _MailPolicy(EmailPolicy):
    """Write identifiers and plain subjects as they are, which are ASCII and shorter than the 998 columns of RFC 5322, 2.1.1.

    The standard library turns an identifier without spaces that passes 78 columns into an RFC 2047 word, and moves a subject that fits just
    so into a line of its own, which then begins with a blank for many a reader. Of other subjects it loses blanks between words that it
    encodes and words that it does not; so these are encoded as a whole.
    """

    def fold(self, name: str, value: str) -> str:
        if _as_it_is(name, value):
            return f"{name}: {value}{self.linesep}"
        if name.lower() == "subject":
            folded = Header(str(value), "utf-8", maxlinelen=76, header_name=name).encode(linesep=self.linesep)
            return f"{name}: {folded}{self.linesep}"
        by_library: str = super().fold(name, value)
        return by_library

    def fold_binary(self, name: str, value: str) -> bytes:
        is_ours = _as_it_is(name, value) or name.lower() == "subject"
        return self.fold(name, value).encode("ascii") if is_ours else super().fold_binary(name, value)


def _as_it_is(name: str, value: str) -> bool:
    if name.lower() == "subject":
        return value.isascii() and value.isprintable() and "=?" not in value and len(value) < 900
    return name.lower() in _VERBATIM


# 7-bit lines survive every server, and 8BITMIME need not be negotiated.
_POLICY = _MailPolicy(cte_type="7bit")


def address(text: str) -> Address:
    """`a@example.com` or `Name <a@example.com>`; raises ValueError for anything else, also for non-ASCII addresses."""
    match = _ADDRESS.fullmatch(text.strip(" "))
    if match is None:
        raise ValueError(f"not a mail address: {text!r} (give name@example.com or Name <name@example.com>)")
    user, domain = match["user1"] or match["user2"], match["domain1"] or match["domain2"]
    return Address((match["name"] or "").strip(), user, domain)


def _checked(text: str) -> str:
    address(text)
    return text


MailAddress = Annotated[str, AfterValidator(_checked)]


def message_id(notification: Notification, domain: str) -> str:
    return f"<{_hash(notification.id)}@{domain}>"


def thread_id(notification: Notification, domain: str) -> str:
    """The common ancestor of all mails of one incident, which mail programs thread by; itself it is never sent.

    The first mail may be any step of an incident (what it becomes is told after a settle time, and other targets start earlier), and an
    incident that reopens has two openings: so all refer to this one id rather than to the first mail's own.
    """
    incident = notification.transition.incident
    return f"<{_hash(f'{incident.cluster}/{incident.key}')}@{domain}>"


def mail(
    notification: Notification, sender: Address, recipients: Sequence[Address], now: datetime, *, repeated: bool | None = None
) -> EmailMessage:
    """Make the message; `now` becomes its Date. `repeated` overrules the mark of the notification."""
    notification = notification if repeated is None else replace(notification, repeated=repeated)
    incident = notification.transition.incident
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = tuple(recipients)
    message["Subject"] = subject_line(notification)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id(notification, sender.domain)
    message["In-Reply-To"] = message["References"] = thread_id(notification, sender.domain)
    # RFC 3834: out-of-office answers must not come back.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Hamon-Incident"] = quote(f"{incident.cluster}/{incident.key}", safe="/:@+,=")[:400]
    if notification.repeated:
        message["X-Hamon-Repeated"] = "yes"
    if notification.test:
        message["X-Hamon-Test"] = "yes"
    message.set_content(body_text(notification), charset="utf-8")
    return message


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
