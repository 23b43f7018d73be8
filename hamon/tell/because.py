"""Why a step of an incident was taken, in the language of the reader. The engine gives it as a short English text, which is stored."""

import re
from functools import cache

from hamon.tell.words import clean, fill, keys, kind_name, raw

_TABLE = "because."


def because_text(reason: str, language: str) -> str:
    """The reason of a step in words; one that no table knows as it is."""
    reason = clean(reason, 500)
    for pattern, key in _known():
        if (found := pattern.fullmatch(reason)) is not None:
            values: dict[str, str | None] = found.groupdict()
            if "kind" in values:
                values["kind"] = kind_name(found["kind"], language)
            return fill(raw(key, language), values)
    return reason


@cache
def _known() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The reasons that there are, those without a name in them first."""
    found = []
    for key in sorted((key for key in keys("en") if key.startswith(_TABLE)), key=lambda key: ("{" in key, key)):
        parts = re.split(r"\{(\w+)\}", key.removeprefix(_TABLE))
        found.append((re.compile("".join(f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))), key))
    return tuple(found)
