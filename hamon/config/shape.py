"""The shape of the configuration as a tree: which section, names or kinds stand at a location."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hamon.collect import COLLECTORS
from hamon.config.sections import Config
from hamon.config.toml import Location
from hamon.notify import NOTIFIERS
from hamon.section import Section


@dataclass(frozen=True, slots=True)
class NamedTables:
    """Tables of one section by a name that the operator chooses."""

    section: type[Section]


@dataclass(frozen=True, slots=True)
class Kinds:
    """Named tables by the kind that a registry knows."""

    sections: Mapping[str, type[Section]]


Shape = type[Section] | NamedTables | Kinds


def _registry(name: str) -> Mapping[str, type[Section]] | None:
    """The sections of the registry that stands behind a key of the top level."""
    match name:
        case "collect":
            return {kind: entry[0] for kind, entry in COLLECTORS.items()}
        case "notify":
            return {kind: entry[0] for kind, entry in NOTIFIERS.items()}
        case _:
            return None


def shape_of(section: type[Section], key: str) -> Shape | None:
    """What stands under `key`: a section, tables by name, kinds; None for a plain value."""
    if section is Config and (sections := _registry(key)) is not None:
        return Kinds(sections)
    for annotation in alternatives(section.model_fields[key].annotation):
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return annotation
        if get_origin(annotation) in (dict, Mapping):
            inner = bare(get_args(annotation)[1])
            if isinstance(inner, type) and issubclass(inner, Section):
                return NamedTables(inner)
    return None


def bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def alternatives(annotation: Any) -> list[Any]:
    """The types of a union, None left out."""
    annotation = bare(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in alternatives(part) if one is not NoneType]
    return [annotation]


def known_keys(shape: Shape | None) -> list[str]:
    """The keys that are known there; none where the operator chooses them."""
    match shape:
        case Kinds(sections):
            return list(sections)
        case NamedTables() | None:
            return []
        case section:
            return list(section.model_fields)


def shape_at(location: Location) -> Shape | None:
    """The shape of the table at `location`."""
    shape: Shape | None = Config
    for part in location:
        match shape:
            case None:
                return None
            case NamedTables(section):
                shape = section
            case Kinds(sections):
                shape = NamedTables(sections[str(part)]) if part in sections else None
            case section:
                shape = shape_of(section, str(part)) if part in section.model_fields else None
    return shape


def tables(shape: Shape, table: object, location: Location = ()) -> Iterator[tuple[Location, type[Section], dict[str, Any]]]:
    """Every table that is given for a section, also where something in it is wrong."""
    if not isinstance(table, dict):
        return
    match shape:
        case NamedTables(section):
            for name, inner in table.items():
                yield from tables(section, inner, (*location, name))
        case Kinds(sections):
            for kind in sections.keys() & table.keys():
                yield from tables(NamedTables(sections[kind]), table[kind], (*location, kind))
        case section:
            yield location, section, table
            for key in section.model_fields.keys() & table.keys():
                inner_shape = shape_of(section, key)
                if inner_shape is not None:
                    yield from tables(inner_shape, table[key], (*location, key))
