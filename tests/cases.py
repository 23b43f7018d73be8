"""The cases of `tests/corpus`: a folder with lines as they were written, and what each of them must give."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hamon.classify.match import Matcher, Scan
from hamon.model.event import Event
from hamon.model.observation import LogChunk
from hamon.rules.load import load_all
from hamon.rules.schema import RuleSet

CORPUS = Path(__file__).parent / "corpus"
SEEN_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNKNOWN = "(none)"


@cache
def rules() -> RuleSet:
    """The rules that come with hamon."""
    return load_all()


@cache
def matcher() -> Matcher:
    return Matcher(rules())


def scan(text: str | bytes, *, node: str | None = None, timezone: str = "UTC", seen_at: datetime = SEEN_AT) -> Scan:
    """What hamon's rules make of some lines."""
    return matcher().scan(
        LogChunk(
            cluster="test",
            collector="test",
            path="log",
            data=text if isinstance(text, bytes) else text.encode(),
            offset=0,
            received_at=seen_at,
            node=node,
            timezone=timezone,
            encodings=("utf-8", "euc_jp", "shift_jis"),
        )
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One line and what it must give; `event` None: nothing. `about` is the pattern or message of the domain that it stands for."""

    folder: str
    line: str
    event: str | None
    gives: Mapping[str, Any]
    about: str

    @property
    def id(self) -> str:
        return f"{self.folder}:{self.about}:{self.line[16:60]}"

    def wrong(self, scanned: Scan) -> str | None:
        """In what the events of a scan of this line are not as they must be."""
        if self.event is None:
            return (
                f"tells {[event.kind.value for event in scanned.events]}" if scanned.events or not sum(scanned.matched.values()) else None
            )
        if [event.kind.value for event in scanned.events] != [self.event]:
            return f"gives {[event.kind.value for event in scanned.events]}, not {self.event}"
        fields = fields_of(scanned.events[0])
        bad = {
            key: fields.get(key, "missing")
            for key, value in self.gives.items()
            if fields.get(key, "missing") != (None if value == UNKNOWN else value)
        }
        return f"gives {bad}, not {dict(self.gives)}" if bad else None


def fields_of(event: Event) -> dict[str, Any]:
    return {**event.detail, "node": event.node, "resource": event.resource}


def cases(form: str) -> Iterator[Case]:
    """All cases below `tests/corpus/<form>`."""
    for folder in sorted((CORPUS / form).iterdir()):
        lines = (folder / "input.log").read_text(encoding="utf-8").splitlines()
        expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["line"]
        for line, entry in zip(lines, expected, strict=True):
            about = str(entry.get("pattern") or entry.get("message"))
            yield Case(folder.name, line, entry.get("event"), entry.get("gives", {}), about)
