"""Results of operations as Pacemaker words them, whatever the version: text to OCF return code or execution status.

The vocabulary is that of Pacemaker 1.1 to 3.0 (`crm_exit`/`pcmk_rc` texts); it is compared without case, since distributions patch it.
"""

import re
from dataclasses import dataclass

OCF = {
    "ok": 0,
    "unknown error": 1,
    "error": 1,
    "error occurred": 1,
    "invalid parameter": 2,
    "unimplemented feature": 3,
    "unimplemented": 3,
    "insufficient privileges": 4,
    "not installed": 5,
    "not configured": 6,
    "not running": 7,
    "master": 8,
    "promoted": 8,
    "master (failed)": 9,
    "master failed": 9,
    "promoted (failed)": 9,
    "failed in promoted role": 9,
    "ocf_degraded": 190,
    "service is active but might fail soon": 190,
    "ocf_degraded_master": 191,
    "promoted (degraded)": 191,
    "service is promoted but might fail soon": 191,
}
RUNNING = frozenset({0, 8, 190, 191})
"""Return codes of a monitor that found the resource running."""

STATUS = {
    "pending": "pending",
    "cancelled": "cancelled",
    "timed out": "timeout",
    "not supported": "not supported",
    "unsupported": "not supported",
    "hard error": "error",
    "fatal error": "error",
    "unknown!": "error",
    "no executor connection": "no executor connection",
    "internal communication failure": "internal communication failure",
    "cannot execute now": "cannot execute now",
    "no fence device": "no fence device",
    "cib secrets unavailable": "cib secrets unavailable",
}

_BRACKETED = tuple(text for text in OCF if text.endswith(")"))
"""Results with brackets of their own, which are no reason of the agent."""

_TAIL = re.compile(r"^(?P<result>.*?)(?: after (?P<time>\S+))?(?: \((?P<reason>.*)\))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Result:
    """`rc` for an agent's own answer, `status` ("timeout", "cancelled", ...) when there was none; `reason` the agent's words."""

    rc: int | None
    status: str | None
    reason: str | None
    text: str


def read_result(text: str, rc: int | None = None) -> Result:
    """Read a result text; `rc` is the number that stands beside it, where one does.

    >>> read_result("not running (server is dead)")
    Result(rc=7, status=None, reason='server is dead', text='not running')
    >>> read_result("Timed Out after 20s")
    Result(rc=None, status='timeout', reason=None, text='Timed Out')
    """
    text = text.strip()
    reason = None
    known = text.lower()
    if known not in OCF and known not in STATUS:
        own = next((word for word in _BRACKETED if known.startswith(f"{word} (") and known.endswith(")")), None)
        if own is not None:
            text, reason = text[: len(own)], text[len(own) + 2 : -1]
        elif (match := _TAIL.match(text)) is not None:
            text, reason = match["result"], match["reason"]
        known = text.lower()
    if rc is not None:
        return Result(rc, None, reason, text)
    if known in STATUS:
        return Result(None, STATUS[known], reason, text)
    if known in OCF:
        return Result(OCF[known], None, reason, text)
    return Result(None, "error", reason, text)
