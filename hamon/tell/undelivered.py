"""Why a delivery failed: what targets say about it, in the language of the reader.

Targets say it once, in English: `reason: what happened[: words of the other side]`. The words of the other side stay as they are.
"""

import re
from collections.abc import Sequence
from functools import cache

from hamon.errors import DeliveryReason
from hamon.tell.words import fill, keys, raw

_PLACE = re.compile(r"\{(\w+)\}")
_SAID = "undelivered.said."


def delivery_error(error: str, language: str) -> str:
    """The error of a delivery in the language, as far as the words are hamon's own."""
    if language == "en" or not error:
        return error
    reason, _, text = error.partition(": ")
    if reason not in frozenset(DeliveryReason):
        return _translated(error, language) or error
    text = _translated(text, language) or text
    return fill(raw("undelivered.line", language), {"reason": raw(f"undelivered.reason.{reason}", language), "text": text or None})


def is_known(text: str) -> bool:
    """Whether there are words in other languages for what a target says."""
    return any(pattern.fullmatch(text) for pattern, _ in _patterns())


def _translated(text: str, language: str) -> str | None:
    for pattern, key in _patterns():
        if (found := pattern.fullmatch(text)) is not None:
            values = {name: value for name, value in found.groupdict().items() if value is not None}
            answer = values.pop("_answer", None)
            told = fill(raw(key, language), values)
            return told if answer is None else fill(raw("undelivered.answer", language), {"text": told, "answer": answer})
    return None


@cache
def _patterns() -> Sequence[tuple[re.Pattern[str], str]]:
    """The English words, the longest first, each with whatever the other side said behind them."""
    found = []
    for key in sorted((key for key in keys("en") if key.startswith(_SAID)), key=lambda key: (-len(raw(key, "en")), key)):
        parts = _PLACE.split(raw(key, "en"))
        text = "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
        found.append((re.compile(rf"{text}(?:: (?P<_answer>.*))?", re.DOTALL), key))
    return found
