"""The tables, checked section by section; what is wrong is said in our words.

Law: a value that is refused is not repeated, it may be a secret.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hamon.config.found import Found
from hamon.config.option_table import option_of, options
from hamon.config.samples import example
from hamon.config.sections import Config
from hamon.config.shape import Kinds, NamedTables, Shape, known_keys, shape_at, shape_of
from hamon.config.toml import Location, as_toml, dotted, kind_of
from hamon.section import DUPLICATE_SECRET, Name


def build(raw: Mapping[str, Any]) -> tuple[Config | None, list[Found]]:
    """The configuration, or all that the sections have against it."""
    found: list[Found] = []
    values = {}
    for key, value in raw.items():
        if key not in Config.model_fields:
            found.append(_unknown((), key))
            continue
        shape = shape_of(Config, key)
        assert shape is not None, "the top level has tables only"
        values[key] = _validate(shape, value, (key,), found)
    return (None if found else Config(**values)), found


def _validate(shape: Shape, value: object, location: Location, found: list[Found]) -> Any:
    """The checked value; what is wrong is added to `found`."""
    if not isinstance(value, dict):
        found.append(
            Found(id="wrong-type", location=location, message=f"must be a table, not {kind_of(value)}", hint=f"[{dotted(location)}]")
        )
        return None
    match shape:
        case Kinds(sections):
            found.extend(_unknown(location, kind) for kind in value if kind not in sections)
            return {
                kind: _validate(NamedTables(sections[kind]), value[kind], (*location, kind), found) for kind in value if kind in sections
            }
        case NamedTables(section):
            for name in value:
                try:
                    TypeAdapter(Name).validate_python(name)
                except ValidationError:
                    found.append(_wrong_name((*location, name)))
            return {name: _validate(section, inner, (*location, name), found) for name, inner in value.items()}
        case section:
            try:
                return section.model_validate(value)
            except ValidationError as err:
                seen = set()
                complaints = err.errors(include_url=False, include_context=False)
                for details in complaints:
                    if details["type"] == DUPLICATE_SECRET:
                        continue  # pydantic sees it only when all fields are right; cross_check always does
                    if details["type"] == "too_short" and any(_inside(other["loc"], details["loc"]) for other in complaints):
                        continue  # the list has entries: they are wrong, and named
                    one = _translate(details, value, location)
                    if (one.id, one.location) not in seen:
                        seen.add((one.id, one.location))
                        found.append(one)
                return None


def _inside(location: Location, outer: Location) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


_WANTED = {
    "string_": "text",
    "path_": "text",
    "int_": "a whole number",
    "float_": "a number",
    "bool_": "true or false",
    "list_": "a list",
    "tuple_": "a list",
    "set_": "a list",
    "frozen_set_": "a list",
    "dict_": "a table",
    "model_": "a table",
}
"""What is wanted, by the beginning of pydantic's name for the error."""


_IN_OUR_WORDS = {
    "too_short": "must have at least one entry",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "does not have the form that is wanted",
}


def _translate(details: ErrorDetails, value: dict[str, Any], prefix: Location) -> Found:
    """What pydantic says, in our words. The value itself is not repeated: it may be a secret."""
    kind = details["type"]
    location = (*prefix, *_real(details["loc"], value, missing=kind == "missing"))
    if kind == "missing":
        return _missing(location)
    if kind == "extra_forbidden":
        return _unknown(location[:-1], str(location[-1]))
    message = re.sub(r"^(?:Value error, |Input |[A-Z][a-z]+ (?=should ))", "", details["msg"]).replace("should ", "must ", 1)
    if details["loc"] and details["loc"][-1] == "[key]":
        if kind == "int_parsing":
            return Found(id="wrong-name", location=location, message="must be a whole number", hint=_explain(location[:-1]))
        return _wrong_name(location)
    message = _IN_OUR_WORDS.get(kind, message)
    hint = _explain(location) or _explain_keys(location, message)
    if kind.endswith(("_type", "_parsing", "_from_float")):
        wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), "")
        message = f"must be {wanted}" if wanted else message
        return Found(id="wrong-type", location=location, message=f"{message}, not {kind_of(details['input'])}", hint=hint)
    # A section may name its own problem: PydanticCustomError("unknown-timezone", ...).
    return Found(id=kind if "-" in kind else "wrong-value", location=location, message=message, hint=hint)


def _real(loc: Location, value: object, *, missing: bool) -> Location:
    """The part of pydantic's location that names keys of the file; it also names alternatives of unions and other inner things."""
    real: list[str | int] = []
    for index, part in enumerate(loc):
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            value = value[part]  # type: ignore[index]  # checked in the line above
        elif missing and index == len(loc) - 1:
            value = None
        else:
            continue
        real.append(part)
    return tuple(real)


def _unknown(table: Location, key: str) -> Found:
    known = known_keys(shape_at(table))
    close = get_close_matches(key.lower(), known, 1)
    elsewhere = [option.key for option in options() if option.key.split(".")[-1] == key]
    if close:
        hint = f"did you mean {dotted((*table, close[0]))}?"
    elif elsewhere:
        hint = f"{key} belongs to {', '.join(elsewhere[:3])}"
    else:
        hint = f"known here: {', '.join(known)}" if known else ""
    return Found(id="unknown-key", location=(*table, key), message="is not known", hint=hint)


def _missing(location: Location) -> Found:
    section = shape_at(location[:-1])
    hint = ""
    if isinstance(section, type) and location[-1] in section.model_fields:
        field = section.model_fields[str(location[-1])]
        hint = f"for example {location[-1]} = {as_toml(example(location[:-1], str(location[-1]), field))} ({field.description})"
    return Found(id="missing-key", location=location, message="is required", hint=hint)


def _wrong_name(location: Location) -> Found:
    mended = re.sub(r"[^a-z0-9_]+", "_", str(location[-1]).lower()).strip("_")[:64]
    message = "is no name: lower-case letters, digits and _ only, at most 64"
    if "service" in location[:-1]:
        message, mended = (
            "is no name: letters, digits, _ - and . only, at most 64",
            re.sub(r"[^A-Za-z0-9_.-]+", "_", str(location[-1])).strip("_.-")[:64],
        )
    return Found(id="wrong-name", location=location, message=message, hint=f"call it {mended}" if mended else "")


def _explain(location: Location) -> str:
    """What the key is for, its type and its default."""
    names = tuple(part for part in location if isinstance(part, str))
    section = shape_at(names[:-1]) if names else None
    if not isinstance(section, type) or names[-1] not in section.model_fields or isinstance(shape_at(names), type):
        return ""
    option = option_of("", names[-1], section.model_fields[names[-1]])
    default = f"default {option.default}" if option.default not in ("", "required") else option.default
    return f"{option.description} ({', '.join(filter(None, (option.type, default)))})"


def _explain_keys(location: Location, message: str) -> str:
    """What the keys of a table are for that a message about the table as a whole names."""
    section = shape_at(location)
    if not isinstance(section, type):
        return ""
    named = [key for key in re.findall(r"\w+", message) if key in section.model_fields]
    return " ".join(f"{key}: {section.model_fields[key].description}" for key in dict.fromkeys(named))
