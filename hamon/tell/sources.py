"""Why a source gives nothing: what collectors say about it, in the language of the reader.

Collectors say it once, in English: `fault: what was seen; remedy`, of several nodes one after the other. The words of a command or of the
system stay; the fault, what the collector itself saw and the remedy are ours.
"""

import re
from functools import cache, partial

from hamon.tell.words import fill, keys, raw


def source_reason(reason: str, language: str) -> str:
    """The reason in the language, as far as the words are hamon's own."""
    for known, told in _replacements(language):
        reason = reason.replace(known, told)
    for pattern, told in _seen(language):
        reason = pattern.sub(partial(_told, told), reason)
    return reason


def _told(words: str, found: re.Match[str]) -> str:
    return fill(words, found.groupdict())


_GROUPS = {
    "path": r"/[^;。`]*?",
    "pattern": r"\S+",
    "folder": r"\S+",
    "name": r"[^`]+",
    "seconds": r"[\d.e+]+",
    "bytes": r"\d+",
    "count": r"\d+",
}
"""What may stand where the words have a placeholder."""


@cache
def _seen(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    if language == "en":
        return ()
    found = []
    seen = [key for key in keys("en") if key.startswith("seen.")]
    for key in sorted(seen, key=lambda key: (-len(raw(key, "en")), key)):  # one may be within another
        parts = re.split(r"\{(\w+)\}", raw(key, "en"))
        text = "".join(f"(?P<{part}>{_GROUPS[part]})" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        found.append((re.compile(rf"(?<!\w){text}(?!\w)"), raw(key, language)))
    return tuple(found)


@cache
def _replacements(language: str) -> tuple[tuple[str, str], ...]:
    if language == "en":
        return ()
    named = sorted(keys("en"))
    remedies = [(f"; {raw(key, 'en')}", f"。{raw(key, language)}") for key in named if key.startswith("remedy.")]
    # A fault stands before a command in backticks, or before the path of a log.
    faults = [
        (f"{raw(key, 'en')}: {mark}", f"{raw(key, language)}: {mark}")
        for key in named
        if key.startswith("fault.")
        for mark in ("`", "/", "no file", "reading")
    ]
    longest_first = sorted(remedies, key=lambda pair: -len(pair[0]))
    return (*longest_first, *faults)
