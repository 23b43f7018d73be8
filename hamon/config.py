"""The one configuration: composed of the sections that the packages declare, read from one TOML file and the environment.

Law: reading it opens no connection, and tells everything that is wrong at once. A new collector or notifier needs no change
here: its section is taken from the registry, and may carry `examples=[...]` for the sample.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import Enum
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import platformdirs
from pydantic import Field, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hamon.classify.settings import ClusterSettings
from hamon.collect import COLLECTORS
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.syslog_config import SyslogConfig
from hamon.errors import ConfigError, Problem
from hamon.expose.settings import MetricsConfig
from hamon.model.incident import IncidentKind
from hamon.model.observation import GATEWAY
from hamon.notify import NOTIFIERS
from hamon.section import DUPLICATE_SECRET, IN_SAMPLE, Name, Section
from hamon.snmp import SnmpConfig
from hamon.store.store import StoreConfig
from hamon.web.settings import WebConfig

PREFIX = "HAMON_"
MOST_BYTES = 1 << 20
"""A configuration file larger than this is refused: it is no configuration."""

ServiceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
"""As people call it; often the id of a group."""
Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]


class LogConfig(Section):
    """hamon's own log, written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written."""
    form: Literal["text", "json"] = "text"
    """One line of text or one JSON object for each record."""


class RulesConfig(Section):
    """Rules of your own, beside those that come with hamon."""

    paths: tuple[Path, ...] = ()
    """Folders with your own rule files (`*.toml`)."""


class ServiceConfig(Section):
    """What users need, made of resources of the cluster."""

    resources: Annotated[tuple[str, ...], Field(min_length=1, examples=[["prmPg", "prmIp"]])]
    """Ids of the primitives and promotable clones that the service consists of; logs name the members of a group, not the group."""


class ClusterConfig(Section):
    """A cluster that is watched."""

    title: str = ""
    """The name that people read; the name of the table when it is empty."""
    node_ids: dict[int, str] = Field(default_factory=dict)
    """Names of the nodes by their Corosync node id, for log lines that give only the number."""
    fence_devices: tuple[str, ...] = ()
    """Ids of resources that are fence devices, where the log does not tell."""
    settle_seconds: Seconds = 2.0
    """How long people wait for what a first symptom becomes."""
    membership_seconds: Seconds = 10.0
    """The same for a lost node or link, until the membership has decided."""
    grace_seconds: Seconds = 20.0
    """How long a service may be down without anything moving it before people are told."""
    story_seconds: Seconds = 120.0
    """Within this time a cause is part of its effect, and services that leave one node for one cause are one incident."""
    failover_limit_seconds: Seconds = 600.0
    """A failover that takes longer has failed."""
    constraint_age_seconds: Seconds = 600.0
    """A constraint left by an operator's move is taken for forgotten after this time."""
    stable_seconds: Seconds = 300.0
    """A daemon that was started again counts as well after this time."""
    expire_seconds: Seconds = 86400.0
    """What nothing can end in the evidence at hand expires after this time."""
    pattern: Literal["", "single", "1+1", "1+1 cross", "N+1", "N+M", "symmetric"] = ""
    """How the nodes share the services; empty: as polls show it, learned while all is well."""
    service: dict[ServiceName, ServiceConfig] = Field(default_factory=dict)
    """Services by name; without any they are learned from what the cluster shows."""

    def settings(self, name: str) -> ClusterSettings:
        """The same for the engine."""
        return ClusterSettings(
            name=name,
            title=self.title or name,
            services={service: section.resources for service, section in self.service.items()},
            fence_devices=frozenset(self.fence_devices),
            node_ids={str(id): node for id, node in self.node_ids.items()},
            pattern=self.pattern or None,
            settle=timedelta(seconds=self.settle_seconds),
            membership=timedelta(seconds=self.membership_seconds),
            grace=timedelta(seconds=self.grace_seconds),
            failover_limit=timedelta(seconds=self.failover_limit_seconds),
            story_window=timedelta(seconds=self.story_seconds),
            constraint_age=timedelta(seconds=self.constraint_age_seconds),
            stable=timedelta(seconds=self.stable_seconds),
            expire=timedelta(seconds=self.expire_seconds),
        )


class Config(Section):
    """Everything that can be configured."""

    store: StoreConfig = Field(default_factory=StoreConfig)
    """Where the history is kept."""
    web: WebConfig = Field(default_factory=WebConfig)
    """Pages, metrics and health."""
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    """What Prometheus is shown."""
    log: LogConfig = Field(default_factory=LogConfig)
    """hamon's own log."""
    rules: RulesConfig = Field(default_factory=RulesConfig)
    """Rules of your own."""
    snmp: SnmpConfig = Field(default_factory=SnmpConfig)
    """SNMP: who this gateway is to receivers of its traps."""
    cluster: dict[Name, ClusterConfig] = Field(default_factory=dict)
    """The clusters by name."""
    collect: dict[str, dict[Name, Section]] = Field(default_factory=dict)
    """Collectors by kind and name; the section of a kind is declared beside its collector."""
    notify: dict[str, dict[Name, Section]] = Field(default_factory=dict)
    """Targets by kind and name; the section of a kind is declared beside its notifier."""

    def collectors(self) -> Iterator[tuple[str, str, Section]]:
        """Kind, name and section of every collector."""
        yield from ((kind, name, section) for kind, named in self.collect.items() for name, section in named.items())

    def notifiers(self) -> Iterator[tuple[str, str, Section]]:
        """Kind, name and section of every target."""
        yield from ((kind, name, section) for kind, named in self.notify.items() for name, section in named.items())


class Option(NamedTuple):
    """One row of the table of options. `default` is a TOML value, "required", or empty when nothing is set."""

    key: str
    type: str
    default: str
    description: str


# --- the shape of the configuration, as a tree ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """Tables of one section by a name that the operator chooses."""

    section: type[Section]


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Named tables by the kind that a registry knows."""

    sections: Mapping[str, type[Section]]


_Shape = type[Section] | _Named | _Kinds
_Location = tuple[str | int, ...]


def _registry(name: str) -> Mapping[str, type[Section]] | None:
    """The sections of the registry that stands behind a key of the top level."""
    match name:
        case "collect":
            return {kind: entry[0] for kind, entry in COLLECTORS.items()}
        case "notify":
            return {kind: entry[0] for kind, entry in NOTIFIERS.items()}
        case _:
            return None


def _shape(section: type[Section], key: str) -> _Shape | None:
    """What stands under `key`: a section, tables by name, kinds; None for a plain value."""
    if section is Config and (sections := _registry(key)) is not None:
        return _Kinds(sections)
    for annotation in _alternatives(section.model_fields[key].annotation):
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return annotation
        if get_origin(annotation) in (dict, Mapping):
            inner = _bare(get_args(annotation)[1])
            if isinstance(inner, type) and issubclass(inner, Section):
                return _Named(inner)
    return None


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _alternatives(annotation: Any) -> list[Any]:
    """The types of a union, None left out."""
    annotation = _bare(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part) if one is not NoneType]
    return [annotation]


def _keys(shape: _Shape | None) -> list[str]:
    """The keys that are known there; none where the operator chooses them."""
    match shape:
        case _Kinds(sections):
            return list(sections)
        case _Named() | None:
            return []
        case section:
            return list(section.model_fields)


def _at(location: _Location) -> _Shape | None:
    """The shape of the table at `location`."""
    shape: _Shape | None = Config
    for part in location:
        match shape:
            case None:
                return None
            case _Named(section):
                shape = section
            case _Kinds(sections):
                shape = _Named(sections[str(part)]) if part in sections else None
            case section:
                shape = _shape(section, str(part)) if part in section.model_fields else None
    return shape


def _tables(shape: _Shape, table: object, location: _Location = ()) -> Iterator[tuple[_Location, type[Section], dict[str, Any]]]:
    """Every table that is given for a section, also where something in it is wrong."""
    if not isinstance(table, dict):
        return
    match shape:
        case _Named(section):
            for name, inner in table.items():
                yield from _tables(section, inner, (*location, name))
        case _Kinds(sections):
            for kind in sections.keys() & table.keys():
                yield from _tables(_Named(sections[kind]), table[kind], (*location, kind))
        case section:
            yield location, section, table
            for key in section.model_fields.keys() & table.keys():
                inner_shape = _shape(section, key)
                if inner_shape is not None:
                    yield from _tables(inner_shape, table[key], (*location, key))


# --- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A problem and where in the tree it is."""

    id: str
    location: _Location
    message: str
    hint: str = ""

    def problem(self) -> Problem:
        return Problem(id=self.id, key=_dotted(self.location), message=self.message, hint=self.hint)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file (None: none, defaults only) and the overrides of the environment. Raises ConfigError with all problems."""
    raw = _read(path) if path is not None else {}
    overrides, found = _override(raw, environ)
    config, wrong = _build(raw)
    # A text that looks like a number, such as a password of digits, is meant as text where text is wanted.
    texts = {found.location for found in wrong if found.id == "wrong-type"} & overrides.keys()
    if texts:
        for location in texts:
            _put(raw, location, environ[overrides[location]])
        config, wrong = _build(raw)
    found += [*wrong, *_cross_check(raw)]
    if config is None or found:
        raise ConfigError([_blame_variable(one, overrides) for one in found])
    return config


def warnings(config: Config, path: Path | None = None) -> list[Problem]:
    """What works but should be looked at: secrets that others may read, sources and targets that are missing."""
    found = []
    for location, section, table in _tables(Config, _given(config)):
        for name in section.secret_fields():
            file = table.get(f"{name}_file")
            if file is not None and _others_may_read(Path(file)):
                hint = f"chmod o-r {file}"
                found.append(
                    _Found(
                        id="secret-file-world-readable",
                        location=(*location, f"{name}_file"),
                        message="everyone may read this file",
                        hint=hint,
                    )
                )
            if table.get(name) is not None and path is not None and _others_may_read(path):
                hint = f"chmod o-r {path}, or move the secret to a file of its own and give {name}_file"
                message = "the configuration holds this secret and everyone may read it"
                found.append(_Found(id="secret-world-readable", location=(*location, name), message=message, hint=hint))
    for kind, name, receiver in config.collectors():
        if isinstance(receiver, SnmpTrapConfig):
            found += _weak_senders(receiver, ("collect", kind, name))
    sources = {name for _, _, section in config.collectors() for name in _clusters_of(section)}
    for name in config.cluster.keys() - sources:
        hint = f"add a collector with cluster = {as_toml(name)}"
        found.append(_Found(id="cluster-without-source", location=("cluster", name), message="nothing is read of this cluster", hint=hint))
    if not config.collect:
        hint = "add for example [collect.log_tail.pm01]; `hamon config sample` shows how"
        found.append(_Found(id="nothing-to-collect", location=("collect",), message="no collector is configured", hint=hint))
    if not config.notify:
        hint = "add for example [notify.smtp.ops]; `hamon config sample` shows how"
        found.append(
            _Found(id="nobody-to-tell", location=("notify",), message="no target is configured: incidents are only shown", hint=hint)
        )
    return [one.problem() for one in sorted(found, key=lambda one: (one.location[0], str(one.location), one.id))]


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where hamon keeps what must survive: the folder that systemd gives (the first, if several), else that of the user."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else platformdirs.user_state_path("hamon")


def _read(path: Path) -> dict[str, Any]:
    """The tables of the file. Raises ConfigError when there are none to be had."""

    def refuse(id: str, message: str, hint: str = "") -> ConfigError:
        return ConfigError([Problem(id=id, key=str(path), message=message, hint=hint)])

    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as err:
        hint = "give the path of the configuration; `hamon config sample` prints one to begin with"
        raise refuse("config-file-unreadable", err.strerror or str(err), hint) from err
    if len(content) > MOST_BYTES:
        raise refuse("config-file-too-large", f"more than {MOST_BYTES} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        raise refuse("toml-syntax", f"line {line}: not UTF-8", "save the file as UTF-8") from err
    except RecursionError as err:
        raise refuse("toml-syntax", "too deeply nested") from err
    except ValueError as err:
        raise refuse(*_syntax(str(err))) from err


def _syntax(message: str) -> tuple[str, str, str]:
    """Id, message and hint for what the TOML reader says."""
    reason, line, column = message, "", ""
    if place := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        reason, line, column = message[: place.start()], *place.groups()
    elif message.endswith(" (at end of document)"):
        reason, line = message.removesuffix(" (at end of document)"), "the last line"
    where = (f"line {line}" if line.isdigit() else line or "somewhere") + (f", column {column}" if column else "")
    if reason.startswith("Cannot "):
        return "duplicate-key", f"{where}: {reason}", "a key or table may be given once only"
    hint = {
        "Invalid value": 'text stands in quotes: key = "value"',
        "Expected '=' after a key in a key/value pair": "a line is `key = value`, a table `[name]`; a comment begins with #",
    }.get(reason, "")
    return "toml-syntax", f"{where}: {reason}", hint


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[_Location, str], list[_Found]]:
    """Put the values of HAMON_A__B=... at a.b; return which variable stands where, and the variables that name no place."""
    overrides: dict[_Location, str] = {}
    found = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        location: _Location = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        location = _as_spelled(raw, location)
        if "" in location or not _put(raw, location, _parse(environ[variable])):
            found.append(_Found(id="unknown-variable", location=(variable,), message="names no key", hint=_variable_hint(variable)))
            continue
        overrides[location] = variable
    return overrides, found


def _as_spelled(raw: Mapping[str, Any], location: _Location) -> _Location:
    """The location in the spelling of the file: variables are upper case, names of services need not be lower case."""
    table: object = raw
    spelled: list[str | int] = []
    for part in location:
        known: dict[str, Any] = table if isinstance(table, dict) else {}
        key = next((key for key in known if key.lower() == part), str(part))
        spelled.append(key)
        table = known.get(key)
    return tuple(spelled)


def _put(raw: dict[str, Any], location: _Location, value: object) -> bool:
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


def _blame_variable(found: _Found, overrides: Mapping[_Location, str]) -> Problem:
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
    shape: _Shape | None = Config
    mended = []
    for part in parts:
        keys = _keys(shape)
        close = get_close_matches(part, keys, 1) if keys else [part]
        if not close or shape is None:
            return "HAMON_ and the keys from the top, parted by two underscores, as in HAMON_LOG__LEVEL"
        mended.append(close[0])
        shape = _at(tuple(mended))
    return f"did you mean {PREFIX}{'__'.join(mended).upper()}?"


# --- checking ----------------------------------------------------------------------------------------------------------


def _build(raw: Mapping[str, Any]) -> tuple[Config | None, list[_Found]]:
    """The configuration, or all that the sections have against it."""
    found: list[_Found] = []
    values = {}
    for key, value in raw.items():
        if key not in Config.model_fields:
            found.append(_unknown((), key))
            continue
        shape = _shape(Config, key)
        assert shape is not None, "the top level has tables only"
        values[key] = _validate(shape, value, (key,), found)
    return (None if found else Config(**values)), found


def _validate(shape: _Shape, value: object, location: _Location, found: list[_Found]) -> Any:
    """The checked value; what is wrong is added to `found`."""
    if not isinstance(value, dict):
        found.append(
            _Found(id="wrong-type", location=location, message=f"must be a table, not {_kind_of(value)}", hint=f"[{_dotted(location)}]")
        )
        return None
    match shape:
        case _Kinds(sections):
            found.extend(_unknown(location, kind) for kind in value if kind not in sections)
            return {kind: _validate(_Named(sections[kind]), value[kind], (*location, kind), found) for kind in value if kind in sections}
        case _Named(section):
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
                        continue  # pydantic sees it only when all fields are right; _cross_check always does
                    if details["type"] == "too_short" and any(_inside(other["loc"], details["loc"]) for other in complaints):
                        continue  # the list has entries: they are wrong, and named
                    one = _translate(details, value, location)
                    if (one.id, one.location) not in seen:
                        seen.add((one.id, one.location))
                        found.append(one)
                return None


def _inside(location: _Location, outer: _Location) -> bool:
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


def _translate(details: ErrorDetails, value: dict[str, Any], prefix: _Location) -> _Found:
    """What pydantic says, in our words. The value itself is not repeated: it may be a secret."""
    kind = details["type"]
    location = (*prefix, *_real(details["loc"], value, missing=kind == "missing"))
    if kind == "missing":
        return _missing(location)
    if kind == "extra_forbidden":
        return _unknown(location[:-1], str(location[-1]))
    if details["loc"] and details["loc"][-1] == "[key]":
        return _wrong_name(location)
    message = details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if kind == "too_short":
        message = "must have at least one entry"
    hint = _explain(location)
    if kind.endswith(("_type", "_parsing", "_from_float")):
        wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), "")
        message = f"must be {wanted}" if wanted else message
        return _Found(id="wrong-type", location=location, message=f"{message}, not {_kind_of(details['input'])}", hint=hint)
    # A section may name its own problem: PydanticCustomError("unknown-timezone", ...).
    return _Found(id=kind if "-" in kind else "wrong-value", location=location, message=message, hint=hint)


def _real(loc: _Location, value: object, *, missing: bool) -> _Location:
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


def _unknown(table: _Location, key: str) -> _Found:
    known = _keys(_at(table))
    close = get_close_matches(key.lower(), known, 1)
    elsewhere = [option.key for option in options() if option.key.split(".")[-1] == key]
    if close:
        hint = f"did you mean {_dotted((*table, close[0]))}?"
    elif elsewhere:
        hint = f"{key} belongs to {', '.join(elsewhere[:3])}"
    else:
        hint = f"known here: {', '.join(known)}" if known else ""
    return _Found(id="unknown-key", location=(*table, key), message="is not known", hint=hint)


def _missing(location: _Location) -> _Found:
    section = _at(location[:-1])
    hint = ""
    if isinstance(section, type) and location[-1] in section.model_fields:
        field = section.model_fields[str(location[-1])]
        hint = f"for example {location[-1]} = {as_toml(_example(location[:-1], str(location[-1]), field))} ({field.description})"
    return _Found(id="missing-key", location=location, message="is required", hint=hint)


def _wrong_name(location: _Location) -> _Found:
    mended = re.sub(r"[^a-z0-9_]+", "_", str(location[-1]).lower()).strip("_")[:64]
    message = "is no name: lower-case letters, digits and _ only, at most 64"
    if "service" in location[:-1]:
        message, mended = (
            "is no name: letters, digits, _ - and . only, at most 64",
            re.sub(r"[^A-Za-z0-9_.-]+", "_", str(location[-1])).strip("_.-")[:64],
        )
    return _Found(id="wrong-name", location=location, message=message, hint=f"call it {mended}" if mended else "")


def _explain(location: _Location) -> str:
    """What the key is for, its type and its default."""
    names = tuple(part for part in location if isinstance(part, str))
    section = _at(names[:-1]) if names else None
    if not isinstance(section, type) or names[-1] not in section.model_fields:
        return ""
    option = _option("", names[-1], section.model_fields[names[-1]])
    default = f"default {option.default}" if option.default not in ("", "required") else option.default
    return f"{option.description} ({', '.join(filter(None, (option.type, default)))})"


def _cross_check(raw: dict[str, Any]) -> Iterator[_Found]:
    """What no section can see alone; read from the raw tables, so that it is told together with everything else."""
    clusters = raw.get("cluster")
    known = list(clusters) if isinstance(clusters, dict) else []
    if GATEWAY in known:
        hint = f"[cluster.{GATEWAY}_1]"
        yield _Found(id="reserved-name", location=("cluster", GATEWAY), message="this name stands for the gateway itself", hint=hint)
    read: list[tuple[_Location, str, str]] = []
    heard: dict[str, _Location] = {}
    for location, section, table in _tables(Config, raw):
        yield from _wrong_secrets(location, section, table)
        if section is RulesConfig:
            yield from _missing_folders(location, table)
        if len(location) >= 3 and location[0] == "collect":
            cluster = table.get("cluster")
            if isinstance(cluster, str) and cluster not in known:
                yield _unknown_cluster((*location, "cluster"), cluster, known)
        if section is SnmpTrapConfig or section is SyslogConfig:
            yield from _heard_twice(location, table.get("listen", list(section.model_fields["listen"].default)), heard)
        if len(location) == 3 and location[0] == "collect":
            paths = table.get("paths")
            for index, path in enumerate(paths if isinstance(paths, list) else []):
                if isinstance(path, str):
                    read.append(((*location, "paths", index), os.path.normpath(path), str(cluster)))
        if len(location) == 3 and location[0] == "notify":
            yield from _matching_nothing(location, table, [*known, GATEWAY])
    yield from _read_twice(read)
    yield from _polled_twice(raw)
    for group, what in (("collect", "collector"), ("notify", "target")):
        yield from _same_name(raw, group, what)
    yield from _claimed_twice(clusters)


def _unknown_cluster(location: _Location, cluster: str, known: Sequence[str]) -> _Found:
    close = get_close_matches(cluster, known, 1)
    others = f"known: {', '.join(known)}; or " if known else ""
    hint = f"did you mean {close[0]}?" if close else f"{others}add a table [{_dotted(('cluster', cluster))}]"
    return _Found(id="unknown-cluster", location=location, message=f"there is no cluster {as_toml(cluster)}", hint=hint)


def _matching_nothing(location: _Location, table: Mapping[str, Any], known: Sequence[str]) -> Iterator[_Found]:
    """What a target waits for in vain: a misspelled name would keep an incident from people without a word."""
    clusters, kinds = (given if isinstance(given := table.get(key), list) else [] for key in ("clusters", "kinds"))
    for index, glob in enumerate(clusters):
        if isinstance(glob, str) and not set(glob) & set("*?[") and glob not in known:
            yield _unknown_cluster((*location, "clusters", index), glob, known)
    for index, glob in enumerate(kinds):
        if isinstance(glob, str) and not any(fnmatchcase(kind, glob) for kind in IncidentKind):
            close = get_close_matches(glob, list(IncidentKind), 1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(IncidentKind)}"
            message = f"matches no kind of incident: {as_toml(glob)}"
            yield _Found(id="unknown-kind", location=(*location, "kinds", index), message=message, hint=hint)


def _missing_folders(location: _Location, table: Mapping[str, Any]) -> Iterator[_Found]:
    paths = table.get("paths")
    for index, path in enumerate(paths if isinstance(paths, list) else []):
        if isinstance(path, str) and not Path(path).is_dir():
            hint = "create the folder, or take it out of the list"
            yield _Found(id="missing-folder", location=(*location, "paths", index), message="there is no such folder", hint=hint)


def _wrong_secrets(location: _Location, section: type[Section], table: Mapping[str, Any]) -> Iterator[_Found]:
    for name in section.secret_fields():
        file = table.get(f"{name}_file")
        if file is not None and table.get(name) is not None:
            message = f"{name} and {name}_file are both given"
            yield _Found(
                id=DUPLICATE_SECRET, location=(*location, name), message=message, hint=f"take one of them out; {name}_file is the safer one"
            )
        if not isinstance(file, str):
            continue
        try:
            secret = Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError) as err:
            reason = (err.strerror if isinstance(err, OSError) else None) or "not UTF-8 text"
            hint = "the user that runs hamon must be able to read it"
            yield _Found(id="secret-file-unreadable", location=(*location, f"{name}_file"), message=f"cannot be read: {reason}", hint=hint)
        else:
            if not secret.strip("\r\n"):
                yield _Found(
                    id="secret-file-empty",
                    location=(*location, f"{name}_file"),
                    message="the file is empty",
                    hint="write the secret into it",
                )


def _read_twice(read: Sequence[tuple[_Location, str, str]]) -> Iterator[_Found]:
    for index, (location, path, cluster) in enumerate(read):
        for earlier, other, other_cluster in read[:index]:
            if path == other or fnmatchcase(path, other) or fnmatchcase(other, path):
                whose = "for the same cluster" if cluster == other_cluster else f"for the cluster {as_toml(other_cluster)}"
                hint = "one file belongs to one collector; lines that are read twice count twice"
                yield _Found(id="duplicate-path", location=location, message=f"is read by {_dotted(earlier)} already, {whose}", hint=hint)
                break


def _weak_senders(receiver: SnmpTrapConfig, location: _Location) -> Iterator[_Found]:
    for name in receiver.community:
        message = "whoever sees a trap on its way can read the community and forge others"
        hint = "use SNMPv3 (a table user.NAME) where that network is not your own"
        yield _Found(id="community-is-no-secret", location=(*location, "community", name), message=message, hint=hint)
    for name, user in receiver.user.items():
        for what in ("auth_passphrase", "priv_passphrase"):
            given = getattr(user, what)
            if given is not None and len(given.get_secret_value()) < 12:
                message = "fewer than 12 characters can be guessed from a single trap"
                hint = "take a longer one"
                yield _Found(id="guessable-passphrase", location=(*location, "user", name, what), message=message, hint=hint)
    for name in receiver.unheard_sources():
        message = "no community and no user may be used from these addresses, so nothing is taken from there"
        hint = "add them to the sources of a community or user"
        yield _Found(id="unheard-source", location=(*location, "source", name, "addresses"), message=message, hint=hint)


def _heard_twice(location: _Location, listen: object, heard: dict[str, _Location]) -> Iterator[_Found]:
    for index, address in enumerate(listen if isinstance(listen, list) else []):
        if isinstance(address, str) and (earlier := heard.setdefault(address, location)) != location:
            message = f"{_dotted(earlier)} listens there already"
            hint = "one address and port belongs to one receiver; a receiver takes what comes of many clusters"
            yield _Found(id="duplicate-listen", location=(*location, "listen", index), message=message, hint=hint)


def _polled_twice(raw: Mapping[str, Any]) -> Iterator[_Found]:
    """Two collectors that poll one cluster would contradict each other for every second between their answers."""
    first: dict[str, str] = {}
    kinds = raw.get("collect")
    named = kinds.get("crm_mon") if isinstance(kinds, dict) else None
    for name, table in named.items() if isinstance(named, dict) else ():
        cluster = table.get("cluster") if isinstance(table, dict) else None
        if isinstance(cluster, str) and first.setdefault(cluster, name) != name:
            where = _dotted(("collect", "crm_mon", first[cluster]))
            yield _Found(
                id="duplicate-poll",
                location=("collect", "crm_mon", name, "cluster"),
                message=f"{as_toml(cluster)} is polled by {where} already",
                hint=f"put the commands of all its nodes into {where}.commands",
            )


def _same_name(raw: Mapping[str, Any], group: str, what: str) -> Iterator[_Found]:
    """A name alone identifies a collector or target in the history, whatever its kind."""
    first: dict[str, str] = {}
    kinds = raw.get(group)
    for kind, named in kinds.items() if isinstance(kinds, dict) else ():
        for name in named if isinstance(named, dict) else ():
            if name in first:
                message = f"there is a {what} of this name already: {_dotted((group, first[name], name))}"
                yield _Found(id=f"duplicate-{what}", location=(group, kind, name), message=message, hint=f"call it {name}_{kind}")
            else:
                first[name] = kind


def _claimed_twice(clusters: object) -> Iterator[_Found]:
    """A resource belongs to one service, or nobody could say which one is down."""
    for name, cluster in clusters.items() if isinstance(clusters, dict) else ():
        services = cluster.get("service") if isinstance(cluster, dict) else None
        owners: dict[str, str] = {}
        for service, table in services.items() if isinstance(services, dict) else ():
            resources = table.get("resources") if isinstance(table, dict) else None
            for index, resource in enumerate(resources if isinstance(resources, list) else []):
                location = ("cluster", name, "service", service, "resources", index)
                if isinstance(resource, str) and owners.setdefault(resource, service) != service:
                    message = f"{as_toml(resource)} belongs to the service {as_toml(owners[resource])} already"
                    yield _Found(id="duplicate-resource", location=location, message=message, hint="a resource belongs to one service")


def _clusters_of(section: Section) -> Sequence[str]:
    """The clusters that a collector reads."""
    if isinstance(section, SnmpTrapConfig | SyslogConfig):
        return section.clusters
    return [cluster for cluster in [getattr(section, "cluster", None)] if cluster]


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _given(section: Section) -> dict[str, Any]:
    """The values as tables, secrets still wrapped."""

    def plain(value: object) -> object:
        if isinstance(value, Section):
            return _given(value)
        return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    return {name: plain(getattr(section, name)) for name in type(section).model_fields}


# --- telling -----------------------------------------------------------------------------------------------------------


def options() -> list[Option]:
    """Every key that can be set; NAME stands for a name that the operator chooses."""
    return list(_options(Config, ()))


def _options(shape: _Shape, location: tuple[str, ...]) -> Iterator[Option]:
    match shape:
        case _Kinds(sections):
            for kind, section in sections.items():
                yield from _options(section, (*location, kind, "NAME"))
        case _Named(section):
            yield from _options(section, (*location, "NAME"))
        case section:
            inner = []
            for key, field in section.model_fields.items():
                below = _shape(section, key)
                if below is None:
                    yield _option(_dotted((*location, key)), key, field)
                else:
                    inner.append((key, below))
            for key, below in inner:
                yield from _options(below, (*location, key))


def _option(dotted: str, key: str, field: FieldInfo) -> Option:
    if field.is_required():
        default = "required"
    else:
        value = field.get_default(call_default_factory=True, validated_data={})
        default = "" if value is None else as_toml(value)
    return Option(key=dotted or key, type=_type(field.annotation), default=default, description=field.description or "")


def options_table() -> str:
    """The options as a Markdown table."""

    def row(*cells: str) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rows = [row("key", "type", "default", "what it is"), "|---|---|---|---|"]
    for option in options():
        default = f"`{option.default}`" if option.default not in ("", "required") else option.default
        rows.append(row(f"`{option.key}`", option.type, default, option.description))
    return "\n".join(rows) + "\n"


_HEAD = """\
# The configuration of hamon. Everything is commented out; what stands after a # without a blank is a setting, and its value the default.
# Lines that begin with "# " explain. Names such as pm01 are yours to choose: lower-case letters, digits and _.
# Any key can also be set by a variable: HAMON_LOG__LEVEL=debug, HAMON_COLLECT__LOG_TAIL__PM01__PATHS='["/var/log/ha-log"]'.
# Secrets can stand in a file of their own: give password_file instead of password.
"""


def sample() -> str:
    """A complete configuration, commented out: taking away the # before settings and tables gives one that loads."""
    return _HEAD + "".join(f"\n{line}" for line in _sample(Config, (), named=False)) + "\n"


def _sample(shape: _Shape, location: tuple[str, ...], *, named: bool) -> Iterator[str]:
    match shape:
        case _Kinds(sections):
            for index, (kind, section) in enumerate(sections.items()):
                # A name is given once in a group, whatever the kind.
                name = {"collect": "pm01", "notify": "ops"}.get(location[0], "one") + (f"_{kind}" if index else "")
                yield from _sample(section, (*location, kind, name), named=True)
        case _Named(section):
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
                yield f"{'#' if named else ''}[{_dotted(location)}]"
            needed = _needed(section, location) if named else {}
            for key, field in section.model_fields.items():
                below = _shape(section, key)
                if below is None:
                    yield from _sample_value(location, key, field, needed)
                else:
                    inner.append((key, below))
            if location:
                yield ""
            for key, below in inner:
                yield from _sample(below, (*location, key), named=named)


def _sample_value(location: Sequence[str], key: str, field: FieldInfo, needed: Mapping[str, object]) -> Iterator[str]:
    option = _option("", key, field)
    yield f"# {option.description} ({option.type}{', required' if option.default == 'required' else ''})"
    if key in needed:
        yield f"#{key} = {as_toml(needed[key])}"
    elif option.default:
        yield f"#{key} = {option.default}"
    else:
        yield f"# {key} = {as_toml(_example(location, key, field))}  is an example; it is not set by default"


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


def _example(location: Sequence[str | int], key: str, field: FieldInfo) -> object:
    """A value to show: the first of the examples that the section gives, else one of the right type."""
    if field.examples:
        return field.examples[0]
    kind = location[1] if len(location) > 2 else location[0] if location else ""
    for name in (f"{kind}.{key}", key):
        if name in _EXAMPLES:
            return _EXAMPLES[name]
    if key.endswith("_file"):
        return f"/etc/hamon/{key.removesuffix('_file')}"
    return _example_of(_alternatives(field.annotation)[0])


def _example_of(annotation: Any) -> object:
    annotation = _bare(annotation)
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
        key: _example(location, key, field)
        for key, field in section.model_fields.items()
        if field.is_required() or field.json_schema_extra == IN_SAMPLE
    }
    secrets = list(section.secret_fields())
    for names in (names for count in range(3) for names in combinations(secrets, count)):
        more = {name: _example(location, name, section.model_fields[name]) for name in names}
        try:
            section.model_validate(needed | more)
        except ValidationError:
            continue
        return needed | more
    return needed


def _type(annotation: Any) -> str:
    """The type in words for operators."""
    names = [_type_of(one) for one in _alternatives(annotation)]
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


def _kind_of(value: object) -> str:
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


def _dotted(location: _Location) -> str:
    """The key as one would write it: `collect.log_tail.pm01.paths[0]`."""
    dotted = ""
    for part in location:
        dotted += f"[{part}]" if isinstance(part, int) else f".{_key(part)}"
    return dotted.removeprefix(".")
