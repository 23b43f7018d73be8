"""What of recorded evidence could not be read, or was read otherwise than its file says, in the language of the reader.

It is said once, in English, where it is met; the words of the system and the names in it stay as they are.
"""

import re
from functools import cache

from hamon.tell.words import fill, keys, raw

_PREFIX = "reading."


def input_problem(problem: str, language: str) -> str:
    """The words about one input in the language, as far as they are hamon's own."""
    for pattern, told in _known(language):
        if (found := pattern.fullmatch(problem)) is not None:
            values = found.groupdict()
            if "problem" in values:
                values["problem"] = input_problem(values["problem"], language)
            return fill(told, values)
    return problem


@cache
def _known(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of the English words, those with the most words of their own first, and the same in the language."""
    if language == "en":
        return ()
    found = []
    for key in (key for key in keys("en") if key.startswith(_PREFIX)):
        parts = re.split(r"\{(\w+)\}", raw(key, "en"))
        text = "".join(f"(?P<{part}>.+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        found.append((sum(map(len, parts[::2])), key, re.compile(text, re.DOTALL)))
    return tuple((pattern, raw(key, language)) for _, key, pattern in sorted(found, key=lambda item: (-item[0], item[1])))
