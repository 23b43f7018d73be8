"""Files to events: what a file is, is seen by its content."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hamon.analyze import polls
from hamon.analyze.blocks import blocks_of, syslog_jsonl, whole_records
from hamon.analyze.evidence import MOST_ERRORS, Input, Options, ReadAs
from hamon.analyze.files import COMPRESSED, UNREADABLE, opened
from hamon.analyze.traps import datagrams_of, scan_traps
from hamon.analyze.wall_clock import Wall
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.model.observation import LogChunk, Snapshot, Source
from hamon.parse.forms import is_dateless, rewritten
from hamon.parse.lines import head as line_head
from hamon.parse.pcap import MAGICS
from hamon.parse.wraps import unwrapped

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""A file with recorded answers of crm_mon."""
NO_FORM = "neither a log, nor crm_mon XML, nor traps"
FOREIGN = (
    (b"\x28\xb5\x2f\xfd", "compressed by zstd, which hamon does not read; unpack it first (zstd -d)"),
    (b"\x04\x22\x4d\x18", "compressed by lz4, which hamon does not read; unpack it first (lz4 -d)"),
    (b"PK\x03\x04", "a ZIP archive, which hamon does not read; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive, which hamon does not read; unpack it first"),
    (b"LPKSHHRH", "a binary journal; give the output of `journalctl --file` instead"),
)


def reference_of(inputs: Iterable[Input]) -> datetime:
    """A time near the evidence, from which lines without a year take theirs: other evidence that carries epochs, else the newest file."""
    newest = 0.0
    for item in inputs:
        base = item.path.name.removesuffix(item.path.suffix) if item.path.suffix in COMPRESSED else item.path.name
        if not base.endswith(".jsonl"):
            continue
        try:
            with opened(item.path) as stream:
                last = deque(stream, 1)
            newest = max(newest, float(json.loads(last[0])["t"])) if last else newest
        except (*UNREADABLE, ValueError, KeyError, TypeError):
            continue
    if newest:
        return datetime.fromtimestamp(newest, UTC)
    times = [item.path.stat().st_mtime for item in inputs if item.path.exists()]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def read(item: Input, matcher: LogMatcher, traps: TrapMatcher, options: Options, reference: datetime) -> None:
    """Read one file: its source, form and node, its events, and what of it cannot be read. Answers of crm_mon: see `polls_of`."""
    if item.problem is not None:
        item.errors.append(item.problem)
        return
    as_collector = options.read_as.get(item.path.resolve())
    try:
        with opened(item.path) as stream:
            head = stream.read(4096)
            if as_collector is not None and as_collector.form is not None:
                item.form = as_collector.form.program if head else "empty"
                if item.source in options.sources:
                    _scan(item, whole_records(blocks_of(head, stream), as_collector.form), matcher, options, reference, as_collector)
                return
            item.source, item.form = _recognise(head, item.path)
            if item.form is None:
                item.errors.append(next((reason for begin, reason in FOREIGN if head.startswith(begin)), NO_FORM))
                return
            if item.source not in options.sources:
                return
            if item.source is Source.TRAP:
                scan_traps(item, datagrams_of(item, head, stream), traps, options)
                return
            if item.source is not Source.LOG:
                return
            data: Iterator[bytes] = syslog_jsonl(head, stream) if item.form == "syslog.jsonl" else unwrapped(blocks_of(head, stream))
            _scan(item, data, matcher, options, reference, as_collector)
    except FileNotFoundError:
        item.errors.append("no such file")
    except UNREADABLE as err:
        item.errors.append(f"cannot be read: {getattr(err, 'strerror', None) or err}")


def polls_of(items: Sequence[Input], options: Options) -> list[Snapshot]:
    """The recorded answers of crm_mon; errors and counts are noted with the inputs."""
    documents = []
    for item in items:
        try:
            with opened(item.path) as stream:
                data = stream.read(MAX_ANSWER_BYTES + 1)
            if len(data) > MAX_ANSWER_BYTES:
                item.errors.append(f"larger than {MAX_ANSWER_BYTES // 1024**2} MiB: the rest is not read")
            documents.append(polls.Document(item.name, data, datetime.fromtimestamp(item.path.stat().st_mtime, UTC)))
        except UNREADABLE as err:
            item.errors.append(f"cannot be read: {getattr(err, 'strerror', None) or err}")
    found = polls.snapshots(documents, cluster=options.cluster or "cluster", timezone=options.timezone)
    by_name = {document.name: document for document in documents}
    for item in items:
        if (document := by_name.get(item.name)) is not None:
            item.records, item.recognised, item.node = document.records, document.recognised, document.node
            item.unrecognised = document.records - document.recognised
            item.errors += document.errors
    return found


_LOGLIKE = re.compile(
    rb"^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2}\s+\d{1,2}\s+\d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:|\d{4}/\d\d/\d\d_\d\d:)", re.MULTILINE
)


_LOG_FORMS = (
    ("pacemaker.log", re.compile(rb"^\S+\s+\d+ \S+ \S+ [\w-]+\s*\[\d+\] \(", re.MULTILINE)),
    ("corosync.log", re.compile(rb"^\S+\s+\d+ \S+ \[\d+\] \S+ corosync ", re.MULTILINE)),
    ("pacemaker.log 1.1", re.compile(rb"^\S+\s+\d+ \S+ \[\d+\] \S+\s+\w+:", re.MULTILINE)),
    (
        "pm_logconv.out",
        re.compile(rb"^(?:\S+\s+\d+ \d\d:\d\d:\d\d|\d{4}/\d\d/\d\d_\S+) \S+(?<!:)\s+(?:error|warning|info|notice|crit): ", re.MULTILINE),
    ),
    ("syslog", _LOGLIKE),
)


def _recognise(head: bytes, path: Path) -> tuple[Source, str | None]:
    """What kind of evidence a file is, from its first bytes."""
    if head[:4] in MAGICS:
        return Source.TRAP, "pcap"
    text = head.lstrip()
    if text.startswith(b"{"):
        first = text.split(b"\n", 1)[0]
        if b'"hex"' in first:
            return Source.TRAP, "traps.jsonl"
        if b'"raw"' in first and b'"src"' in first:
            return Source.LOG, "syslog.jsonl"
        if b'"__REALTIME_TIMESTAMP"' in first or b'"MESSAGE"' in first:
            return Source.LOG, "journal.json"
        if any(key in first for key in (b'"message"', b'"log"', b'"line"')) and _is_rare_log(head):
            return Source.LOG, "lines as JSON"
        return Source.POLL, "index.jsonl" if b'"file"' in first or b'"node"' in first else None
    if text.startswith(b"<") and (b"pacemaker-result" in head or b"<crm_mon" in head):
        return Source.POLL, "crm_mon"
    if not head:
        return (Source.TRAP if path.name.startswith("traps.") else Source.LOG), "empty"  # it has only its name
    form = next((form for form, pattern in _LOG_FORMS if pattern.search(head)), None)
    return Source.LOG, form or ("other log" if _is_rare_log(head) else None)


def _is_rare_log(head: bytes) -> bool:
    """Whether some of the first lines have one of the rare forms; what has a date in it, but no form, is no log."""
    lines = head.decode("utf-8", "replace").split("\n")[:50]
    return any(map(is_dateless, lines)) or any(
        plain is not None and line_head(plain.encode("utf-8", "replace").split(None, 11)) is not None for plain in map(rewritten, lines)
    )


def _scan(
    item: Input, blocks: Iterator[bytes], matcher: LogMatcher, options: Options, reference: datetime, read_as: ReadAs | None = None
) -> None:
    offset = 0
    as_found = ReadAs(collector="analyze", path=item.name, timezone=options.timezone, encodings=("utf-8", "euc_jp", "shift_jis"))
    how = read_as or as_found
    years = (reference.year - 1, reference.year) if options.year is None else (options.year, options.year + 1)
    item.wall = Wall(how.timezone, years)
    for block in blocks:
        item.wall.see(block, offset)
        scan = matcher.scan(
            LogChunk(
                cluster=options.cluster or "cluster",
                collector=how.collector,
                path=how.path,
                data=block,
                offset=offset,
                received_at=reference,
                node=how.node,
                timezone=how.timezone,
                encodings=how.encodings,
                form=how.form,
            )
        )
        offset += len(block)
        item.records += scan.lines
        item.unrecognised += scan.unrecognised
        item.events += scan.events
        item.recognised = item.records - item.unrecognised
        item.errors += scan.errors[: MOST_ERRORS - len(item.errors)]
        reporters = {event.reporter for event in item.events}
        item.node = next(iter(reporters)) if len(reporters) == 1 else None
