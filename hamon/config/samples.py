"""A complete configuration to begin with: every option, its meaning and an example."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from hamon.config.option_table import option_of
from hamon.config.sections import Config
from hamon.config.shape import Kinds, NamedTables, Shape, alternatives, bare, shape_of
from hamon.config.toml import as_toml, dotted
from hamon.section import IN_SAMPLE, Section

_HEAD = """\
# The configuration of hamon. Everything is commented out; what stands after a # without a blank is a setting, and its value the default.
# Lines that begin with "# " explain. Names such as pm01 are yours to choose: lower-case letters, digits and _.
# Any key can also be set by a variable: HAMON_LOG__LEVEL=debug, HAMON_COLLECT__LOG_TAIL__PM01__PATHS='["/var/log/ha-log"]'.
# Secrets can stand in a file of their own: give password_file instead of password.
"""


def sample() -> str:
    """A complete configuration, commented out: taking away the # before settings and tables gives one that loads."""
    return _HEAD + "".join(f"\n{line}" for line in _sample(Config, (), named=False)) + "\n"


def _sample(shape: Shape, location: tuple[str, ...], *, named: bool) -> Iterator[str]:
    match shape:
        case Kinds(sections):
            for index, (kind, section) in enumerate(sections.items()):
                # A name is given once in a group, whatever the kind.
                name = {"collect": "pm01", "notify": "ops"}.get(location[0], "one") + (f"_{kind}" if index else "")
                yield from _sample(section, (*location, kind, name), named=True)
        case NamedTables(section):
            yield from _sample(
                section,
                (
                    *location,
                    {"cluster": "pg", "service": "db", "community": "pg", "user": "pcmk", "source": "pm01"}.get(location[-1], "one"),
                ),
                named=True,
            )
        case section:
            inner = []
            if location:
                yield from (f"# {line}".rstrip() for line in (section.__doc__ or "").strip().splitlines()[:1])
                yield f"{'#' if named else ''}[{dotted(location)}]"
            needed = _needed(section, location) if named else {}
            for key, field in section.model_fields.items():
                below = shape_of(section, key)
                if below is None:
                    yield from _sample_value(location, key, field, needed)
                else:
                    inner.append((key, below))
            if location:
                yield ""
            for key, below in inner:
                yield from _sample(below, (*location, key), named=named)


def _sample_value(location: Sequence[str], key: str, field: FieldInfo, needed: Mapping[str, object]) -> Iterator[str]:
    option = option_of("", key, field)
    yield f"# {option.description} ({option.type}{', required' if option.default == 'required' else ''})"
    if key in needed:
        yield f"#{key} = {as_toml(needed[key])}"
    elif option.default:
        yield f"#{key} = {option.default}"
    else:
        yield f"# {key} = {as_toml(example(location, key, field))}  is an example; it is not set by default"


_EXAMPLES: dict[str, object] = {
    "auth_passphrase": "correct horse",
    "priv_passphrase": "battery staple",
    "apprise.url": "json://hooks.example.com/hamon",
    "cluster": "pg",
    "host": "mail.example.com",
    "local_name": "gateway.example.com",
    "max_size_mib": 1024,
    "node": "pm01",
    "path": "/var/lib/hamon/mailbox",
    "paths": ["/var/log/pacemaker/pacemaker.log"],
    "poll": False,
    "port": 587,
    "sender": "hamon@example.com",
    "silent_after_seconds": 3600.0,
    "store.url": "postgresql://hamon@127.0.0.1/hamon",
    "to": ["duty@example.com"],
    "user": "hamon",
    "webhook.url": "https://hooks.example.com/hamon",
}
"""What to show for keys that give no example of their own; by kind and key, or by key alone where many sections have it."""


def example(location: Sequence[str | int], key: str, field: FieldInfo) -> object:
    """A value to show: the first of the examples that the section gives, else one of the right type."""
    if field.examples:
        return field.examples[0]
    kind = location[1] if len(location) > 2 else location[0] if location else ""
    for name in (f"{kind}.{key}", key):
        if name in _EXAMPLES:
            return _EXAMPLES[name]
    if key.endswith("_file"):
        return f"/etc/hamon/{key.removesuffix('_file')}"
    return _example_of(alternatives(field.annotation)[0])


def _example_of(annotation: Any) -> object:
    annotation = bare(annotation)
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if get_origin(annotation) in (list, tuple, set, frozenset):
        return [_example_of(get_args(annotation)[0])]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    examples: dict[Any, object] = {bool: True, int: 1, float: 1.0, Path: "/etc/hamon/example"}
    return examples.get(annotation, "…" if annotation in (SecretStr, SecretBytes) else "example")


def _needed(section: type[Section], location: Sequence[str | int]) -> dict[str, object]:
    """Examples for what must be given: required keys, and secrets where the section wants one way or the other to give them."""
    needed = {
        key: example(location, key, field)
        for key, field in section.model_fields.items()
        if field.is_required() or field.json_schema_extra == IN_SAMPLE
    }
    secrets = list(section.secret_fields())
    for names in (names for count in range(3) for names in combinations(secrets, count)):
        more = {name: example(location, name, section.model_fields[name]) for name in names}
        try:
            section.model_validate(needed | more)
        except ValidationError:
            continue
        return needed | more
    return needed
