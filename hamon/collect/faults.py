"""Why a command gave no answer, and what to do about it, in words for operators.

The reason begins with a stable word, a `Fault`, as the log tail's reasons do.
"""

import os
import re
import shlex
from collections.abc import Sequence
from enum import StrEnum

from hamon.collect.child import Answer, ChildError, End
from hamon.errors import ParseError
from hamon.tell import phrase


class Fault(StrEnum):
    """Why a command gave no answer; the value stands at the beginning of the reason that people are told."""

    NOT_FOUND = "not found"
    NOT_STARTED = "not started"
    NOT_CONNECTED = "not connected"
    NO_DATA = "no data"
    NOT_PERMITTED = "not permitted"
    UNREACHABLE = "unreachable"
    KEY_REFUSED = "key refused"
    HOST_UNKNOWN = "host key"
    PASSWORD = "password"
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"
    STUCK = "stuck"
    USAGE = "usage"
    DIED = "died"
    UNREADABLE = "unreadable"
    FAILED = "failed"


_REMEDY = {fault: phrase(f"remedy.{fault.name.lower()}", "en") for fault in Fault}
"""What to do about it; where it is shown `hamon.tell` puts it into the language of the reader."""

_ENDS = {
    End.NOT_FOUND: Fault.NOT_FOUND,
    End.NOT_STARTED: Fault.NOT_STARTED,
    End.STUCK: Fault.STUCK,
    End.TIMEOUT: Fault.TIMEOUT,
    End.TOO_LARGE: Fault.TOO_LARGE,
    End.CANCELLED: Fault.TIMEOUT,
}
# What ssh, sudo, shells and Pacemaker's tools say; the first that is found decides.
_SAID = (
    (re.compile(r"Permission denied \(|Too many authentication failures"), Fault.KEY_REFUSED),
    (re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"), Fault.HOST_UNKNOWN),
    (
        re.compile(
            r"ssh: .*|Connection (?:refused|timed out|reset|closed) by|No route to host|Network is unreachable|"
            r"Could not resolve hostname|kex_exchange_identification|Broken pipe"
        ),
        Fault.UNREACHABLE,
    ),
    (re.compile(r"a password is required|a terminal is required|no tty present|Sorry, user .* not allowed"), Fault.PASSWORD),
    (re.compile(r"command not found|: not found|executable file not found|No such file or directory$", re.MULTILINE), Fault.NOT_FOUND),
    (re.compile(r"[Ii]nsufficient privileges|[Pp]ermission denied|must be root|Operation not permitted|EACCES"), Fault.NOT_PERMITTED),
)
_USAGE = re.compile(r"[Uu]nknown option|unrecognized option|invalid option|[Uu]sage:|Could not parse|extra operand")
_USAGE_CODES = frozenset({2, 22, 64})


class Refused(Exception):
    """A command that gave no usable answer: the fault, and the reason in words with command and remedy."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


def shown(command: Sequence[str]) -> str:
    """The command as one would type it, of bounded length."""
    text = shlex.join(command)
    return text if len(text) <= 200 else f"{text[:200]}…"


def refused(fault: Fault, command: Sequence[str], said: str) -> Refused:
    """The fault in words: the command, what it said, and the remedy."""
    said = " ".join(said.split())[:200]
    return Refused(fault, f"{fault}: `{shown(command)}`{f' – {said}' if said else ''}; {_REMEDY[fault]}")


def of_child(err: ChildError, command: Sequence[str], timeout_seconds: float, max_bytes: int) -> Refused:
    """The fault of a child that was ended or could not be started."""
    said = {
        End.TIMEOUT: phrase("seen.no_answer_within", "en", seconds=f"{timeout_seconds:g}"),
        End.TOO_LARGE: phrase("seen.too_much", "en", bytes=str(max_bytes)),
    }.get(err.end, str(err))
    return refused(_ENDS[err.end], command, "" if said == err.end else said)


def of_answer(answer: Answer, command: Sequence[str], err: ParseError | None) -> Refused:
    """Why what came is no answer: by exit status, by what was said, by what the parser says."""
    error = _last_line(answer.error)
    if answer.code < 0:
        return refused(Fault.DIED, command, f"ended by signal {-answer.code}")
    is_ssh = os.path.basename(command[0]) == "ssh"
    if answer.code == 255 and is_ssh:
        return refused(_said(answer.error) or Fault.UNREACHABLE, command, error)
    if is_usage(answer):
        return refused(Fault.USAGE, command, error or f"exit status {answer.code}")
    reason = str(err) if err is not None else ""
    if answer.code == 4 or reason.startswith("insufficient privileges"):
        return refused(Fault.NOT_PERMITTED, command, error or reason)
    if answer.code in (102, 107) or reason.startswith("not connected"):
        return refused(Fault.NOT_CONNECTED, command, error or reason.removeprefix("not connected: "))
    said = _said(answer.error) if answer.code else None
    if answer.code in (126, 127) or said is not None:
        return refused(said or (Fault.NOT_FOUND if answer.code == 127 else Fault.NOT_STARTED), command, error)
    if answer.code == 124:
        return refused(Fault.TIMEOUT, command, error or "exit status 124")
    if not answer.code and reason.startswith("no data"):
        return refused(Fault.NO_DATA, command, reason.removeprefix("no data: "))
    if not answer.code and reason:
        return refused(Fault.UNREADABLE, command, reason)
    return refused(Fault.FAILED, command, f"exit status {answer.code}{f', {error or reason}' if error or reason else ''}")


def is_usage(answer: Answer) -> bool:
    """Whether the program does not know the options that it was given."""
    return answer.code in _USAGE_CODES and (
        answer.code == 64 or _USAGE.search(answer.error + answer.out[:4096].decode("utf-8", "replace")) is not None
    )


def _said(error: str) -> Fault | None:
    return next((fault for pattern, fault in _SAID if pattern.search(error)), None)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
