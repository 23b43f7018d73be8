"""hamon's own log: to standard error, as text or as JSON, one line a record."""

import json
import logging
import re
import sys
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

NOISY = ("apprise", "httpx", "httpcore", "watchdog", "alembic", "uvicorn", "aiosmtplib")
"""Libraries that say at level info what only their authors need."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class TextFormatter(logging.Formatter):
    """`level: message (fact=value ...)`. Control characters of a fact, which may come from a log that is read, are written as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{key}={_CONTROL.sub(_escaped, str(value))}" for key, value in facts(record).items())
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        if extra:
            text += f" ({extra})"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class JsonFormatter(logging.Formatter):
    """One object a record: `time`, `level`, `logger`, `message`, the facts, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | facts(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def is_json() -> bool:
    """Whether the log was started, and in the form "json"."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def start(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send all log records of level `level` and above to `stream` (standard error), in the form "text" or "json"."""
    import time

    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
