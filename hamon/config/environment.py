"""The variables of the environment that override keys of the file."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from hamon.config.found import Found
from hamon.config.sections import Config
from hamon.config.shape import Shape, known_keys, shape_at
from hamon.config.toml import Location
from hamon.errors import Problem

PREFIX = "HAMON_"


def override(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[Location, str], list[Found]]:
    """Put the values of HAMON_A__B=... at a.b; return which variable stands where, and the variables that name no place."""
    overrides: dict[Location, str] = {}
    found = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        location: Location = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        location = _as_spelled(raw, location)
        if "" in location or not put(raw, location, _parse(environ[variable])):
            found.append(Found(id="unknown-variable", location=(variable,), message="names no key", hint=_variable_hint(variable)))
            continue
        overrides[location] = variable
    return overrides, found


def _as_spelled(raw: Mapping[str, Any], location: Location) -> Location:
    """The location in the spelling of the file: variables are upper case, names of services need not be lower case."""
    table: object = raw
    spelled: list[str | int] = []
    for part in location:
        known: dict[str, Any] = table if isinstance(table, dict) else {}
        key = next((key for key in known if key.lower() == part), str(part))
        spelled.append(key)
        table = known.get(key)
    return tuple(spelled)


def put(raw: dict[str, Any], location: Location, value: object) -> bool:
    """Set the value; False where a plain value stands in the way."""
    table: Any = raw
    for part in location[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[location[-1]] = value
    return True


def _parse(text: str) -> object:
    """A TOML value, or else the text as it is."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def blame_variable(found: Found, overrides: Mapping[Location, str]) -> Problem:
    """The problem, told of the variable where a variable caused it."""
    below = [
        variable
        for location, variable in overrides.items()
        if location[: len(found.location)] == found.location or found.location[: len(location)] == location
    ]
    if len(below) != 1 or found.id in ("unknown-variable", "missing-key"):
        return found.problem()
    if found.id == "unknown-key":
        return Problem(id="unknown-variable", key=below[0], message="names no key", hint=_variable_hint(below[0]) or found.hint)
    problem = found.problem()
    return Problem(id=problem.id, key=problem.key, message=f"{problem.message} (from {below[0]})", hint=problem.hint)


def _variable_hint(variable: str) -> str:
    """The known variable that is spelled most alike; what the operator named is kept."""
    parts = variable.removeprefix(PREFIX).lower().split("__")
    shape: Shape | None = Config
    mended = []
    for part in parts:
        keys = known_keys(shape)
        close = get_close_matches(part, keys, 1) if keys else [part]
        if not close or shape is None:
            return "HAMON_ and the keys from the top, parted by two underscores, as in HAMON_LOG__LEVEL"
        mended.append(close[0])
        shape = shape_at(tuple(mended))
    return f"did you mean {PREFIX}{'__'.join(mended).upper()}?"
