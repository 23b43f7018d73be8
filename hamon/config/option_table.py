"""Every option with its type, default and meaning, for the README."""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from hamon.config.sections import Config
from hamon.config.shape import Kinds, NamedTables, Shape, alternatives, shape_of
from hamon.config.toml import as_toml, dotted


class Option(NamedTuple):
    """One row of the table of options. `default` is a TOML value, "required", or empty when nothing is set."""

    key: str
    type: str
    default: str
    description: str


def options() -> list[Option]:
    """Every key that can be set; NAME stands for a name that the operator chooses."""
    return list(_options(Config, ()))


def _options(shape: Shape, location: tuple[str, ...]) -> Iterator[Option]:
    match shape:
        case Kinds(sections):
            for kind, section in sections.items():
                yield from _options(section, (*location, kind, "NAME"))
        case NamedTables(section):
            yield from _options(section, (*location, "NAME"))
        case section:
            inner = []
            for key, field in section.model_fields.items():
                below = shape_of(section, key)
                if below is None:
                    yield option_of(dotted((*location, key)), key, field)
                else:
                    inner.append((key, below))
            for key, below in inner:
                yield from _options(below, (*location, key))


def option_of(where: str, key: str, field: FieldInfo) -> Option:
    if field.is_required():
        default = "required"
    else:
        value = field.get_default(call_default_factory=True, validated_data={})
        default = "" if value is None else as_toml(value)
    return Option(key=where or key, type=_type(field.annotation), default=default, description=field.description or "")


def options_table() -> str:
    """The options as a Markdown table."""

    def row(*cells: str) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rows = [row("key", "type", "default", "what it is"), "|---|---|---|---|"]
    for option in options():
        default = f"`{option.default}`" if option.default not in ("", "required") else option.default
        rows.append(row(f"`{option.key}`", option.type, default, option.description))
    return "\n".join(rows) + "\n"


def _type(annotation: Any) -> str:
    """The type in words for operators."""
    names = [_type_of(one) for one in alternatives(annotation)]
    return " or ".join(dict.fromkeys(names))


def _type_of(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(as_toml(value) for value in arguments)
    if origin in (list, tuple, set, frozenset):
        return f"list of {_type(arguments[0])}"
    if origin in (dict, Mapping):
        return f"table of {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(as_toml(value) for value in annotation)
    names: dict[Any, str] = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        Path: "path",
        SecretStr: "secret",
        SecretBytes: "secret",
    }
    return names.get(annotation, "text")
