"""The settings of one log tail collector."""

from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator

from hamon.collect.text import Encodings, RecordStart, Stamp, TimeZone
from hamon.model.observation import TextForm
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
    program: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.+-]{1,64}$")
    """The logs are not of the cluster but of this program, in any form; rules know its lines by this name (`daemon`)."""
    stamp: Stamp = ""
    """With `program`: the form of its time stamps, such as "%Y-%m-%d %H:%M:%S.%f"; left out, the time of arrival counts."""
    record_start: RecordStart = ""
    """With `program`: a regular expression found in the first line of each record; left out, a stamp, or no white space, begins one."""
    max_record_lines: int = Field(default=100, ge=1, le=1000)
    """With `program`: so many lines of a record, such as a stack trace, are taken; the rest of it is left out."""
    rotated: bool = True
    """Catch up through rotated and compressed files with what was written while hamon was down."""

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/") or path.endswith("/") or "\0" in path:
                raise ValueError(f"{path!r} is not the absolute path of a file, such as /var/log/pacemaker/pacemaker.log")
        return tuple(dict.fromkeys(paths))

    @model_validator(mode="after")
    def _belongs_to_a_program(self) -> Self:
        if self.program is None and (self.stamp or self.record_start):
            raise ValueError("stamp and record_start are for the logs of a program; name it (program), or take them out")
        return self

    @property
    def form(self) -> TextForm | None:
        """How the logs are laid out; None: they are of the cluster."""
        if self.program is None:
            return None
        return TextForm(program=self.program, stamp=self.stamp, start=self.record_start, most_lines=self.max_record_lines)
