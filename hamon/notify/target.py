"""The part of the configuration that every notifier shares: who is told of what, in which language, for how long it is tried."""

from typing import Annotated, Literal

from pydantic import Field

from hamon.classify.routes import Target
from hamon.model.incident import Severity
from hamon.section import Section

Globs = Annotated[tuple[str, ...], Field(min_length=1)]


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
    """Also tell planned switchovers, which are only info."""

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
            max_attempts_hours=self.max_attempts_hours,
        )
