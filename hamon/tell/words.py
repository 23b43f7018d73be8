"""The phrases of both languages, and how names are put into them. Loaded once; everything else asks here.

A phrase may hold `{name}`, which is filled in, `{a|b|'words'}`, which takes the first that is known, and `[ ... ]`, which is
left out when a name in it is not known. So one line of en.toml or ja.toml covers an event with any of its fields missing.
"""

import math
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hamon.model.event import EventKind
from hamon.model.incident import Incident, IncidentKind, OwnWords, Severity

LANGUAGES: tuple[str, ...] = ("en", "ja")

_NAME_LIMIT = 60
_ALTERNATIVE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a procedure; `when` names the fact that must hold for it, empty for always; `done` the fact that shows it done."""

    when: str
    done: str
    text: str


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    gathered: dict[str, Any] = {}
    for key, value in table.items():
        gathered |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return gathered


def _load(language: str) -> dict[str, Any]:
    return _flat(tomllib.loads((files("hamon.tell") / f"{language}.toml").read_text(encoding="utf-8")))


_WORDS = {language: _load(language) for language in LANGUAGES}


def keys(language: str) -> frozenset[str]:
    """All dotted keys that a language has words for."""
    return frozenset(_WORDS[language])


def has(key: str, language: str) -> bool:
    return key in _WORDS[language]


def steps_of(procedure: str, language: str) -> Sequence[Step]:
    return [
        Step(when=step.get("when", ""), done=step.get("done", ""), text=step["text"]) for step in _WORDS[language][f"steps.{procedure}"]
    ]


def raw(key: str, language: str) -> str:
    """The words for a dotted key, not filled in."""
    words: str = _WORDS[language][key]
    return words


def phrase(key: str, language: str, **values: str | None) -> str:
    """The words for a dotted key such as `page.overview`, filled with `values`; raises KeyError for a key that does not exist."""
    return fill(raw(key, language), values)


def fill(template: str, values: Mapping[str, str | None], missing: Mapping[str, str] | None = None) -> str:
    """Put `values` into a template. What is unknown outside of `[ ]` is taken from `missing`, else it is a question mark.

    >>> fill("{operation} failed[ on {node}][ (rc {rc})]", {"operation": "monitor", "rc": "1"})
    'monitor failed (rc 1)'
    """
    text: list[str] = []
    for optional, pieces in _parsed(template):
        found = [piece if isinstance(piece, str) else _first(piece, values) for piece in pieces]
        if optional and None in found:
            continue
        for piece, value in zip(pieces, found, strict=True):
            text.append((missing or {}).get(piece[0], "?") if value is None else value)
    return "".join(text)


def _first(alternatives: tuple[str, ...], values: Mapping[str, str | None]) -> str | None:
    for name in alternatives:
        if name.startswith("'"):
            return name.strip("'")
        if found := values.get(name):
            return found
    return None


@lru_cache(maxsize=1024)
def _parsed(template: str) -> tuple[tuple[bool, tuple[str | tuple[str, ...], ...]], ...]:
    """Cut a template into pieces: (optional?, literals and tuples of alternatives)."""
    segments = []
    for number, segment in enumerate(re.split(r"\[([^\[\]]*)\]", template)):
        parts = _ALTERNATIVE.split(segment)
        pieces = tuple(tuple(part.split("|")) if index % 2 else part for index, part in enumerate(parts))
        segments.append((number % 2 == 1, pieces))
    return tuple(segments)


def clean(text: str, limit: int | None = None) -> str:
    """One printable line: control, format and separator characters become blanks; cut to `limit` characters with an ellipsis.

    Names and reasons come out of log lines, which hold whatever a program wrote.
    """
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    text = " ".join(text.split())
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def name(text: str | None) -> str | None:
    """A node, resource or service name fit for a line; None when there is nothing to show."""
    return clean(text, _NAME_LIMIT) or None if text else None


def listed(names: Iterable[str], language: str, limit: int = 3) -> str | None:
    """`a, b, c and 2 more`; None for no names."""
    shown = [cleaned for text in dict.fromkeys(names) if (cleaned := name(text))]
    if not shown:
        return None
    text = phrase("subject.separator", language).join(shown[:limit])
    return phrase("subject.more", language, names=text, count=str(len(shown) - limit)) if len(shown) > limit else text


def route(from_node: str | None, to_node: str | None, language: str) -> str | None:
    """`pm01 -> pm02`, `from pm01`, `to pm02`, or None."""
    start, end = name(from_node), name(to_node)
    if start and end:
        return phrase("route.both", language, **{"from": start, "to": end})
    if start:
        return phrase("route.from", language, **{"from": start})
    return phrase("route.to", language, to=end) if end else None


def kind_name(kind: str, language: str) -> str:
    """The name of an incident or event kind, in the user's words; of an unknown kind the word itself."""
    for table in ("kind", "event"):
        if has(f"{table}.{kind}", language):
            return phrase(f"{table}.{kind}", language)
    return clean(kind, _NAME_LIMIT)


def own_words(incident: Incident, language: str) -> OwnWords | None:
    """The words that an incident of the user's own brings with it, else in another language; None: it is one of hamon's."""
    return incident.words.get(language) or next(iter(incident.words.values()), None)


def event_name(kind: EventKind, language: str) -> str:
    return phrase(f"event.{kind}", language)


def incident_name(kind: IncidentKind, language: str) -> str:
    return phrase(f"kind.{kind}", language)


def severity_name(severity: Severity, language: str) -> str:
    return phrase(f"severity.{severity}", language)


def duration(seconds: float, language: str) -> str:
    """A length of time in two units at most: `45 ms`, `1.3 s`, `41 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    if not math.isfinite(seconds):
        return phrase("duration.unknown", language)
    seconds = max(seconds, 0.0)
    if 0 < seconds < 0.1:
        return phrase("duration.milliseconds", language, n=str(max(round(seconds * 1000), 1)))
    if seconds < 9.95:
        return phrase("duration.seconds", language, n=f"{seconds:.1f}".removesuffix(".0"))
    whole = round(seconds)
    if whole < 60:
        return phrase("duration.seconds", language, n=str(whole))
    for big, small, size, part in (("minutes", "seconds", 60, 1), ("hours", "minutes", 3600, 60), ("days", "hours", 86400, 3600)):
        count, rest = divmod(whole, size)
        if big == "days" or whole < size * (60 if size == 60 else 24):
            text = phrase(f"duration.{big}", language, n=str(count))
            return f"{text} {phrase(f'duration.{small}', language, n=str(rest // part))}" if rest // part else text
    raise AssertionError("days take everything")
