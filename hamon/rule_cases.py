"""`hamon rules test`: cases of evidence, and what must become of it. They take the way of `hamon analyze`: the same matcher and engine.

A case is a TOML file, or a folder with `case.toml` and files of evidence beside it. The law: a case that cannot be run has failed.
"""

import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree as ET

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from hamon import config
from hamon.analyze import Options, ReadAs, analyze, incident_json
from hamon.classify.settings import ClusterSettings
from hamon.collect.text import RecordStart, Stamp
from hamon.errors import HamonError
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome, Severity
from hamon.model.observation import Source, TextForm
from hamon.rules.load import load, said
from hamon.rules.schema import RuleSet, Scalar
from hamon.tell.headline import what
from hamon.tell.words import phrase

MAX_FILE_BYTES = 16 * 1024 * 1024
FOLDER_CASE = "case.toml"


class WantedEvent(BaseModel):
    """An event as far as it is told; `""` is nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: EventKind | None = None
    node: str | None = None
    resource: str | None = None
    reporter: str | None = None
    rule: str | None = None
    source: Source | None = None
    detail: Mapping[str, Scalar] = Field(default_factory=dict)
    """Fields that it must have; it may have more."""


class WantedIncident(BaseModel):
    """An incident as it is at the end, as far as it is told; `""` is nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: IncidentKind | None = None
    name: str | None = None
    """The id of an incident of one's own."""
    title: str | None = None
    """The English headline of it, without severity and cluster."""
    severity: Severity | None = None
    state: IncidentState | None = None
    planned: bool | None = None
    outcome: Outcome | None = None
    services: tuple[str, ...] | None = None
    nodes: tuple[str, ...] | None = None
    """Names in any order; so are resources, services and fenced."""
    resources: tuple[str, ...] | None = None
    fenced: tuple[str, ...] | None = None
    from_node: str | None = None
    to_node: str | None = None
    cause: str | None = None
    """The kind of the cause."""
    part: bool | None = None
    """Whether it is part of another incident."""


class ProgramLog(BaseModel):
    """A log that is none of the cluster's, as a collector of this name reads it (keys of `[collect.log_tail]`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: str
    program: str = ""
    """The name of the table, if left out."""
    stamp: Stamp = ""
    record_start: RecordStart = ""
    node: str | None = None
    path: str = ""
    """What the collector would call it; the name of the table, if left out."""


class Case(BaseModel):
    """One case file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    rules: tuple[Path, ...] = ()
    """Folders with rules, tried before hamon's; relative to the file."""
    config: Path | None = None
    """A configuration whose rules are used, and with `cluster` its services."""
    cluster: str | None = None
    timezone: str = "UTC"
    year: int | None = Field(default=None, ge=1970, le=9999)
    files: tuple[Path, ...] | None = None
    """Logs, traps and answers of crm_mon, as `hamon analyze` takes them; in a folder by default all that is beside the case."""
    log: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")], str] = Field(default_factory=dict)
    """Name of a log -> its lines."""
    text: Mapping[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")], ProgramLog] = Field(default_factory=dict)
    """Name of a collector -> the log of a program."""
    until: AwareDatetime | None = None
    """Time that passes after the evidence, for what is awaited, or expires."""
    trap: tuple[str, ...] = ()
    """Lines of traps.jsonl."""
    poll: tuple[str, ...] = ()
    """Answers of crm_mon, as XML."""
    incident: tuple[WantedIncident, ...] | None = None
    """All incidents that there must be; those that are part of another may be left out. None: any."""
    event: tuple[WantedEvent, ...] = ()
    """Events that there must be, each its own."""
    no_event: tuple[WantedEvent, ...] = ()
    """Events that there must not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one case went; without `failures` it is as it should be."""

    name: str
    file: Path
    description: str = ""
    failures: tuple[str, ...] = ()


def find(folder: Path) -> Iterator[Path]:
    """The cases of a folder, sorted: every folder with a `case.toml`, and all other TOML files that do not lie in such a folder.

    A file can be given too. Folders that hold rules of a case, and hidden ones, are told by their name: `rules`, `.git`.
    """
    if folder.is_file():
        yield folder
        return
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "rules" and not name.startswith("."))
        if FOLDER_CASE in files:
            folders.clear()
            yield Path(root) / FOLDER_CASE
        else:
            yield from (Path(root) / name for name in sorted(files) if name.endswith(".toml"))


class Runner:
    """Runs cases with the rules of these folders before hamon's; a rule set that several cases use is loaded once."""

    def __init__(self, folders: Sequence[Path], shipped: Path, environ: Mapping[str, str], language: str = "en") -> None:
        self._folders, self._shipped, self._environ = list(folders), shipped, environ
        self._language = language
        self._loaded: dict[tuple[Path, ...], RuleSet] = {}

    def run(self, path: Path) -> Result:
        """Run one case."""
        name = path.parent.name if path.name == FOLDER_CASE else path.stem
        try:
            case = read(path)
        except HamonError as err:
            return Result(name=name, file=path, failures=(str(err),))
        try:
            failures = tuple(self._failures(case, path))
        except (HamonError, OSError) as err:
            failures = (phrase("cases.cannot", self._language, error=str(err)),)
        return Result(name=name, file=path, description=case.description, failures=failures)

    def _failures(self, case: Case, path: Path) -> Iterator[str]:
        folders = [*(path.parent / folder for folder in case.rules), *self._folders]
        settings: ClusterSettings | None = None
        if case.config is not None:
            loaded = config.load(path.parent / case.config, self._environ)
            folders += loaded.rules.paths
            if case.cluster is not None and case.cluster in loaded.cluster:
                settings = loaded.cluster[case.cluster].settings(case.cluster)
        rules = self._rules((*folders, self._shipped))
        with tempfile.TemporaryDirectory(prefix="hamon-rules-test-") as inline:
            options = Options(
                cluster=case.cluster,
                timezone=case.timezone,
                year=case.year,
                settings=settings,
                read_as=_read_as(case, Path(inline)),
                until=case.until,
            )
            found = analyze([*_beside(case, path), *_inline(case, Path(inline))], rules, options)
        for item in found.inputs:
            for error in item.errors:
                yield phrase("cases.evidence", self._language, name=item.name, error=error)
        yield from _events(case, found.facts, self._language)
        if case.incident is not None:
            yield from _incidents(case.incident, found.incidents, self._language)

    def _rules(self, folders: tuple[Path, ...]) -> RuleSet:
        folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        if folders not in self._loaded:
            self._loaded[folders] = load(folders)
        return self._loaded[folders]


def read(path: Path) -> Case:
    """Read a case file. Raises HamonError, with the key and what is wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise HamonError(f"larger than {MAX_FILE_BYTES} bytes; put the evidence into files")
        case = Case.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as err:
        raise HamonError(f"cannot be read: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise HamonError(f"not TOML: {err}") from err
    except ValidationError as err:
        raise HamonError("; ".join(_problem(error) for error in err.errors(include_url=False))) from err
    if case.incident is None and not case.event and not case.no_event:
        raise HamonError("it expects nothing; give [[incident]] (incident = [] for none), [[event]] or [[no_event]]")
    if not (case.log or case.text or case.trap or case.poll or case.files or (case.files is None and path.name == FOLDER_CASE)):
        raise HamonError("it has no evidence; give [log], [text.NAME], trap, poll or files")
    return case


def _problem(error: ErrorDetails) -> str:
    return f"{'.'.join(str(part + 1) if isinstance(part, int) else part for part in error['loc'])}: {said(error)}"


def _beside(case: Case, path: Path) -> list[Path]:
    if case.files is not None:
        return [path.parent / name for name in case.files]
    if path.name != FOLDER_CASE:
        return []
    own = {path.name, "rules", *(str(folder) for folder in (*case.rules, case.config) if folder is not None)}
    return [found for found in sorted(path.parent.iterdir()) if found.name not in own and not found.name.startswith((".", "README"))]


def _read_as(case: Case, folder: Path) -> dict[Path, ReadAs]:
    return {
        (folder / "text" / name).resolve(): ReadAs(
            collector=name,
            path=one.path or name,
            form=TextForm(program=one.program or name, stamp=one.stamp, start=one.record_start),
            node=one.node,
            timezone=case.timezone,
        )
        for name, one in case.text.items()
    }


def _inline(case: Case, folder: Path) -> Iterator[Path]:
    for name, text in case.log.items():
        yield _written(folder / "log" / name, text)
    for name, program in case.text.items():
        yield _written(folder / "text" / name, program.lines.lstrip("\n"))
    if case.trap:
        yield _written(folder / "traps.jsonl", "\n".join(row.strip() for row in case.trap) + "\n")
    for number, text in enumerate(case.poll):
        yield _written(folder / "poll" / f"{number:04}.xml", text.lstrip())


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# -- comparing


def _events(case: Case, events: Sequence[Event], language: str) -> Iterator[str]:
    pool = [_event_values(event) for event in events]
    wanted = [_wanted_values(event) for event in case.event]
    missing, _ = _matched(wanted, pool)
    for number in missing:
        yield _difference("event", number, wanted[number], pool, language)
    for number, unwanted in enumerate(case.no_event):
        for values in pool:
            if not _differing(_wanted_values(unwanted), values):
                yield phrase("cases.is_there", language, number=str(number + 1), words=_words(values))


def _incidents(expected: Sequence[WantedIncident], incidents: Sequence[Incident], language: str) -> Iterator[str]:
    pool = [_incident_values(incident) for incident in incidents]
    wanted = [_wanted_values(incident) for incident in expected]
    missing, left = _matched(wanted, pool)
    for number in missing:
        yield _difference("incident", number, wanted[number], [pool[index] for index in left] or pool, language)
    for index in left:
        if not pool[index]["part"]:
            yield f"{phrase('cases.unexpected', language)}\n{_lines('+', pool[index])}"


def _matched(wanted: Sequence[dict[str, Any]], pool: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """The numbers of what is wanted and not there, and of what is there and was not asked for; as many as can be find one of their own."""
    fits = [[index for index, values in enumerate(pool) if not _differing(want, values)] for want in wanted]
    taken: dict[int, int] = {}

    def place(number: int, seen: set[int]) -> bool:
        for index in fits[number]:
            if index not in seen:
                seen.add(index)
                if index not in taken or place(taken[index], seen):
                    taken[index] = number
                    return True
        return False

    missing = [number for number in range(len(wanted)) if not place(number, set())]
    return missing, [index for index in range(len(pool)) if index not in taken]


def _wanted_values(wanted: WantedEvent | WantedIncident) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in sorted(wanted.model_fields_set, key=list(type(wanted).model_fields).index):
        value = getattr(wanted, name)
        if name == "detail":
            values |= {f"detail.{key}": inner for key, inner in value.items()}
        else:
            values[name] = sorted(value) if isinstance(value, tuple) else value
    return values


def _event_values(event: Event) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(event, name) for name in WantedEvent.model_fields if name != "detail"}
    return {**values, "rule": event.rule or None, **{f"detail.{key}": value for key, value in event.detail.items()}}


def _incident_values(incident: Incident) -> dict[str, Any]:
    told = incident_json(incident, "en")
    told |= {
        "name": incident.name or None,
        "title": what(incident, "en"),
        "state": incident.state,
        "services": list(incident.services),
        "cause": incident.cause.kind if incident.cause is not None else None,
        "part": incident.part_of is not None,
    }
    return {name: sorted(told[name]) if isinstance(told[name], list) else told[name] for name in WantedIncident.model_fields}


def _differing(wanted: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if not _same(value, values.get(name))]


def _same(wanted: Any, value: Any) -> bool:
    if wanted in (None, ""):
        return value in (None, "")
    return bool(wanted == value) and isinstance(wanted, bool) == isinstance(value, bool)


def _difference(what: str, number: int, wanted: Mapping[str, Any], pool: Sequence[Mapping[str, Any]], language: str) -> str:
    """What is missing, against what comes nearest to it."""
    nearest = min(pool, key=lambda values: (len(_differing(wanted, values)), "kind" in _differing(wanted, values)), default=None)
    place = {"what": phrase(f"cases.{what}", language), "number": str(number + 1)}
    if nearest is None:
        return f"{phrase('cases.missing_alone', language, **place)}\n{_lines('-', wanted)}"
    wrong = _differing(wanted, nearest)
    told = [phrase("cases.missing", language, **place)]
    for name, value in wanted.items():
        if name not in wrong:
            told.append(f"      {name} = {_value(value)}")
        else:
            told += [f"    - {name} = {_value(value)}", f"    + {name} = {_value(nearest.get(name))}"]
    return "\n".join(told)


def _lines(sign: str, values: Mapping[str, Any]) -> str:
    return "\n".join(f"    {sign} {name} = {_value(value)}" for name, value in values.items() if value not in (None, []))


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items() if value is not None)


def _value(value: Any) -> str:
    if value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


# -- answers


def to_text(results: Sequence[Result], language: str = "en") -> str:
    """One line a case, and what is wrong with it below."""
    told = []
    for result in results:
        told.append(f"{phrase('cases.failed' if result.failures else 'cases.ok', language):7}{result.name} ({result.file})")
        told += [f"  {failure}" for failure in result.failures]
    failed = sum(bool(result.failures) for result in results)
    told.append(phrase("cases.some_failed" if failed else "cases.all_well", language, count=str(len(results)), failed=str(failed)))
    return "\n".join(told)


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    cases = [
        {"name": one.name, "file": str(one.file), "description": one.description, "ok": not one.failures, "failures": list(one.failures)}
        for one in results
    ]
    return {"cases": cases, "failed": sum(bool(one.failures) for one in results)}


def to_junit(results: Sequence[Result]) -> str:
    """The form that build servers read: one suite for each folder."""
    suites = ET.Element("testsuites", tests=str(len(results)), failures=str(sum(bool(one.failures) for one in results)))
    by_folder: Callable[[Result], str] = lambda one: str(one.file.parent.parent if one.file.name == FOLDER_CASE else one.file.parent)  # noqa: E731
    for folder, group in groupby(results, by_folder):
        members = list(group)
        failed = str(sum(bool(one.failures) for one in members))
        suite = ET.SubElement(suites, "testsuite", name=folder, tests=str(len(members)), failures=failed)
        for one in members:
            case = ET.SubElement(suite, "testcase", name=one.name, classname=folder, file=str(one.file))
            if one.failures:
                ET.SubElement(case, "failure", message=_plain(one.failures[0].split("\n", 1)[0])).text = _plain("\n".join(one.failures))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


def _plain(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(char if char in "\n\t" or char.isprintable() else "?" for char in text)
