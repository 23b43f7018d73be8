"""The settings of one log tail collector."""

from enum import StrEnum

from pydantic import Field, field_validator

from hamon.collect.text import Encodings, TimeZone
from hamon.section import Section


class StartAt(StrEnum):
    BEGINNING = "beginning"
    END = "end"


class LogTailConfig(Section):
    """Logs of one cluster that are read as they grow."""

    cluster: str = Field(min_length=1)
    """The cluster whose logs these are."""
    node: str | None = None
    """The node whose logs these are; leave it out where the lines name their node."""
    paths: tuple[str, ...] = Field(min_length=1)
    """Absolute paths of the logs, with `*`, `?`, `[...]` and `**` where there are several."""
    timezone: TimeZone = "UTC"
    """The time zone (IANA name) of time stamps that do not name one."""
    encodings: Encodings = ("utf-8",)
    """The character encodings to try, in order, such as "utf-8", "euc_jp", "shift_jis" or "cp932"."""
    start: StartAt = StartAt.BEGINNING
    """Where to begin in files that are there at the first start and were never read before: "beginning" or "end"."""
    poll: bool | None = None
    """Look at the files at intervals (true) instead of being told by the kernel (false); left out, as the file system needs it."""
    poll_interval_seconds: float = Field(default=1.0, ge=0.01, le=3600)
    """How often to look where the files are polled."""
    max_line_bytes: int = Field(default=65536, ge=16, le=16 * 1024 * 1024)
    """Longer lines are cut to this length."""
    silent_after_seconds: float | None = Field(default=None, gt=0)
    """Report a log as lost when it gave no line for so long; left out, silence is not reported."""
    rotated: bool = True
    """Catch up through rotated and compressed files with what was written while hamon was down."""

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/") or path.endswith("/") or "\0" in path:
                raise ValueError(f"{path!r} is not the absolute path of a file, such as /var/log/pacemaker/pacemaker.log")
        return tuple(dict.fromkeys(paths))
