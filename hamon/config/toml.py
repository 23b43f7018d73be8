"""Values and keys as TOML writes them."""

import json
import re
from enum import Enum
from pathlib import PurePath

from pydantic import SecretBytes, SecretStr

Location = tuple[str | int, ...]


def kind_of(value: object) -> str:
    """What a TOML value is, without saying what it says."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def as_toml(value: object) -> str:
    """The value as TOML."""
    match value:
        case Enum():
            return as_toml(value.value)
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(as_toml(one) for one in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_key(str(key))} = {as_toml(inner)}" for key, inner in value.items()) + "}"
        case SecretStr() | SecretBytes():
            return '"…"'
        case PurePath():
            return as_toml(str(value))
        case _:
            # A JSON text is a TOML text but for DEL, which TOML wants escaped.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else as_toml(key)


def dotted(location: Location) -> str:
    """The key as one would write it: `collect.log_tail.pm01.paths[0]`."""
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{_key(part)}"
    return key.removeprefix(".")
