"""Find patterns that take for ever on some lines: a pattern that repeats what repeats itself tries every way to cut a run of letters.

One such line would stop the reading of all logs. Nobody can tell it of every pattern, so it is tried: the examples of a rule with one of
their letters many times. The law: what grows like the length, or its square, is never blamed.
"""

import re
import time
from collections.abc import Iterator

_LENGTHS = range(6, 25, 2)
_NOTICED = 0.02
"""Seconds; below that nothing is measured well."""
_GROWTH = 2.5
"""So many times as long for two letters more: each letter doubles it, or nearly."""
_MOST_LETTERS = 200


def slow_on(pattern: re.Pattern[str], line: str) -> str | None:
    """A line like this one on which the pattern takes ever longer, shortened to be shown; None: none was found."""
    for begin, letter, end in _pumped(line):
        before = 0.0
        for length in _LENGTHS:
            text = begin + letter * length + end
            took = _took(pattern, text)
            if took > _NOTICED and before and took > _GROWTH * before:
                return text
            before = took
    return None


def _took(pattern: re.Pattern[str], text: str) -> float:
    """Seconds of this thread alone: what else the machine does is not its fault."""
    began = time.thread_time()
    pattern.search(text)
    return time.thread_time() - began


def _pumped(line: str) -> Iterator[tuple[str, str, str]]:
    """A line around one of its letters: what comes before it, and an end that nothing matches, after the rest of it or at once."""
    for place, letter in enumerate(line[:_MOST_LETTERS]):
        if place and line[place - 1] == letter:
            continue
        yield line[:place], letter, "\x00"
        yield line[:place], letter, f"{line[place + 1 :]}\x00"
