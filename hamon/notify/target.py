"""The part of the configuration that every notifier shares: who is told of what, in which language, for how long it is tried."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from hamon.classify.routes import Target
from hamon.model.incident import Severity
from hamon.section import Section

Age = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[smhd]$")]
"""A whole number of seconds, minutes, hours or days."""
Ages = Annotated[tuple[Age, ...], Field(max_length=20)]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Globs = Annotated[tuple[str, ...], Field(min_length=1)]


def age(text: str) -> timedelta:
    """The length of time that an `Age` says.

    >>> age("8h"), age("1d")
    (datetime.timedelta(seconds=28800), datetime.timedelta(days=1))
    """
    return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


class TargetSection(Section):
    """What all targets have in common."""

    enabled: bool = True
    """Whether this target is told anything."""

    language: Literal["en", "ja"] = "en"
    """Language of the messages: en or ja."""

    clusters: Globs = ("*",)
    """Only incidents of clusters whose name matches one of these globs."""

    kinds: Globs = ("*",)
    """Only incidents whose kind matches one of these globs."""

    min_severity: Severity = Severity.WARNING
    """Only incidents of this severity or worse: critical, major, minor, warning or info."""

    planned: bool = True
    """Also tell planned switchovers, which are only info, and remind of planned work that was left on."""

    remind_after: Ages = ("1h", "8h", "1d", "7d")
    """Ages at which it is told again that a service is recovered and not protected; a number with s, m, h or d; [] for never."""

    remind_planned_after: Ages = ("8h", "1d", "7d")
    """The same of planned work that switches redundancy off: standby, maintenance, the ban of a move."""

    max_attempts_hours: float = Field(default=72.0, gt=0, le=24 * 365)
    """Hours after which a message that still cannot be sent is given up."""

    def target(self, name: str) -> Target:
        """The same for the routes."""
        return Target(
            name=name,
            language=self.language,
            clusters=self.clusters,
            kinds=self.kinds,
            min_severity=self.min_severity,
            planned=self.planned,
            remind=tuple(age(text) for text in self.remind_after),
            remind_planned=tuple(age(text) for text in self.remind_planned_after),
            max_attempts_hours=self.max_attempts_hours,
        )
