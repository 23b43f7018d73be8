"""Recorded answers of `crm_mon` to snapshots: files with one or many answers, and the index that says when which node was asked.

The time of an answer is that of the row in `index.jsonl` beside it (`{"t": epoch, "node": name, "rc": number, "file": name}`; several rows
may name one file), else the one that stands in the answer, else that of the file. Nothing here raises: what cannot be read is an error of
its document.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePath

from hamon.errors import ParseError
from hamon.model.cluster import ClusterStatus
from hamon.model.observation import Snapshot
from hamon.parse import crm_mon

MOST_ERRORS = 20
"""How many errors are told of one document."""
_NO_STATE = ("not connected", "no data")
"""How the reasons of answers without a state begin (hamon.parse.crm_mon)."""
_MOMENT = timedelta(microseconds=1)
_ANSWER = re.compile(rb"<(pacemaker-result|crm_mon)[\s>].*?</\1>", re.DOTALL)
_OPENING = re.compile(rb"<(?:pacemaker-result|crm_mon)[\s>]")


@dataclass(slots=True)
class Document:
    """One file. `name`: its path as shown, by which an index finds the files beside it; `written_at`: the file's own time.

    `records` are the answers in it, or the rows of an index; `recognised` those of them that could be used. `node`: who answered, where it
    is one node.
    """

    name: str
    data: bytes
    written_at: datetime
    records: int = 0
    recognised: int = 0
    node: str | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def is_index(self) -> bool:
        return self.data.lstrip().startswith(b"{")


def snapshots(documents: Sequence[Document], *, cluster: str, timezone: str = "UTC") -> list[Snapshot]:
    """All polls, in the order of time."""
    found: list[Snapshot] = []
    by_name = {document.name: document for document in documents}
    indexed: set[str] = set()
    for document in documents:
        if document.is_index:
            found += _indexed(document, by_name, indexed, cluster, timezone)
    for document in documents:
        if not document.is_index and document.name not in indexed:
            found += _alone(document, cluster, timezone)
    return _apart(sorted(found, key=lambda snapshot: (snapshot.status.at, snapshot.path)))


def _apart(ordered: Iterable[Snapshot]) -> list[Snapshot]:
    """No two answers of one node at the same moment: their stamps are cut to whole seconds."""
    latest: dict[str, datetime] = {}
    given = []
    for snapshot in ordered:
        at, last = snapshot.status.at, latest.get(snapshot.path)
        if last is not None and at <= last:
            at = last + _MOMENT
            snapshot = replace(snapshot, status=replace(snapshot.status, at=at), received_at=at)
        latest[snapshot.path] = at
        given.append(snapshot)
    return given


def _indexed(index: Document, by_name: dict[str, Document], indexed: set[str], cluster: str, timezone: str) -> Iterator[Snapshot]:
    read: dict[str, tuple[ClusterStatus, str] | None] = {}
    folder = PurePath(index.name).parent
    for number, line in enumerate(index.data.splitlines(), 1):
        if not line.strip():
            continue
        index.records += 1
        try:
            row = json.loads(line)
            at, node, file = datetime.fromtimestamp(float(row["t"]), UTC), row.get("node"), row.get("file")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            _error(index, f"line {number}: not a row of an index")
            continue
        index.recognised += 1
        if file is None:
            continue  # no answer worth a file
        name = str(folder / str(file))
        if name not in read:
            indexed.add(name)
            read[name] = _first(by_name.get(name), timezone)
            if name not in by_name:
                _error(index, f"line {number} names {file}, which is not there")
        answer = read[name]
        if answer is None:
            continue
        document = by_name[name]
        document.node = str(node) if document.recognised == 0 else document.node if document.node == node else None
        document.recognised = document.records = 1
        status, digest = answer
        status = replace(status, at=at, reporter=str(node) if node is not None else status.reporter)
        yield Snapshot(
            cluster=cluster, collector="analyze", status=status, digest=digest, received_at=at, path=str(node or status.reporter or "")
        )


def _first(document: Document | None, timezone: str) -> tuple[ClusterStatus, str] | None:
    """The answer in a file that an index names."""
    if document is None:
        return None
    document.records = 1
    try:
        return crm_mon.parse(document.data, at=document.written_at, timezone=timezone), crm_mon.digest(document.data)
    except ParseError as err:
        _no_state(document, err)
        return None


def _alone(document: Document, cluster: str, timezone: str) -> Iterator[Snapshot]:
    """A file without an index: the answers in it tell their time themselves."""
    answers = [match[0] for match in _ANSWER.finditer(document.data)]
    if len(answers) < len(_OPENING.findall(document.data)) or not answers:
        answers = answers[: len(answers)] or [document.data]
        if len(_OPENING.findall(document.data)) > len(answers):
            _error(document, "the last answer is cut off")
    nodes: set[str | None] = set()
    for data in answers:
        document.records += 1
        try:
            status = crm_mon.parse(data, at=document.written_at, timezone=timezone)
        except ParseError as err:
            _no_state(document, err)
            continue
        document.recognised += 1
        at = status.last_update_at or document.written_at
        status = replace(status, at=at, reporter=status.reporter or _named_after(document, status))
        nodes.add(status.reporter)
        yield Snapshot(
            cluster=cluster,
            collector="analyze",
            status=status,
            digest=crm_mon.digest(data),
            received_at=at,
            path=status.reporter or "crm_mon",
        )
    if len(nodes) == 1:
        document.node = nodes.pop()


def _named_after(document: Document, status: ClusterStatus) -> str | None:
    """The node that a folder of the path is named like, as in a report that was collected from all nodes, or that the file's name tells."""
    *folders, file = PurePath(document.name).parts
    names = sorted((node.name for node in status.nodes), key=len, reverse=True)
    found = next((part for part in reversed(folders) if part in names), None)
    return found or next((name for name in names if re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", file)), None)


def _no_state(document: Document, err: ParseError) -> None:
    """An answer that says that there is none to be had, as from a node that does not run the cluster, is no error."""
    if str(err).startswith(_NO_STATE):
        document.recognised += 1
    else:
        _error(document, str(err))


def _error(document: Document, text: str) -> None:
    if len(document.errors) < MOST_ERRORS:
        document.errors.append(text)
