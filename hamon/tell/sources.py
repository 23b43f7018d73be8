"""Why a source gives nothing: what collectors say about it, in the language of the reader.

Collectors say it once, in English: `fault: what was seen; remedy`, of several nodes one after the other. What was seen are the words of a
command or of the system, and stays; the fault and the remedy are ours.
"""

from functools import cache

from hamon.tell.words import keys, raw


def source_reason(reason: str, language: str) -> str:
    """The reason in the language, as far as the words are hamon's own."""
    for known, told in _replacements(language):
        reason = reason.replace(known, told)
    return reason


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
        for mark in ("`", "/", "no file")
    ]
    longest_first = sorted(remedies, key=lambda pair: -len(pair[0]))
    return (*longest_first, *faults)
