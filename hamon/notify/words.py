"""What several notifiers do with the words of a notification: one clean line for the subject, clean text for the body."""

import re

from hamon.model.delivery import Notification

REPEATED = "[repeated]"
MAX_SUBJECT = 250
MAX_TEXT = 256 * 1024
"""Characters of text that are sent at most; the words come from logs, so their size is not ours to choose."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def one_line(text: str, limit: int) -> str:
    """The text on one line, without control characters, cut to `limit` characters.

    >>> one_line("disk\\r\\nBcc: someone", 80)
    'disk Bcc: someone'
    """
    line = " ".join(_SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def subject_line(notification: Notification) -> str:
    """The subject, with `[repeated]` before it when the peer may already have it."""
    subject = one_line(notification.subject, MAX_SUBJECT)
    return f"{REPEATED} {subject}" if notification.repeated and not subject.startswith(REPEATED) else subject


def body_text(notification: Notification) -> str:
    r"""The text with `\n` line ends and no other control characters than tabs, cut to MAX_TEXT."""
    text = notification.text.replace("\r\n", "\n").replace("\r", "\n")
    text = _SURROGATE.sub("\ufffd", _CONTROL.sub("\ufffd", text))
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n[…]\n"
