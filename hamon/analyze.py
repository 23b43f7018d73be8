"""`hamon analyze`: recorded evidence to what happened. The same matcher and engine as the gateway, with time taken from the evidence."""

import json
import re
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from hamon import recorded_files, recorded_polls
from hamon.classify.clocks import ahead, by_one_clock
from hamon.classify.facts import Key, fact_key
from hamon.classify.incidents import Engine
from hamon.classify.names import one_name, spoken
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.errors import HamonError, ParseError
from hamon.model.event import Event, EventKind
from hamon.model.incident import Evidence, Incident, TimelineEntry, Transition
from hamon.model.observation import LogChunk, Snapshot, SnmpVersion, Source, TextForm, Tick, Trap
from hamon.parse.forms import rewritten
from hamon.parse.lines import head as line_head
from hamon.parse.pcap import MAGICS, datagrams
from hamon.parse.text import last_start
from hamon.parse.trap import TrapMessage, decode, decode_scoped_pdu, decode_v3_header, version
from hamon.recorded_files import COMPRESSED, UNREADABLE, opened, size
from hamon.rules.schema import RuleSet
from hamon.tell import document
from hamon.tell.evidence import verdict_text
from hamon.tell.headline import headline
from hamon.tell.headline import what as headline_what
from hamon.tell.report import story as story_text
from hamon.tell.steps import next_steps
from hamon.tell.timeline import entry_text
from hamon.tell.words import clean, phrase

CHUNK_BYTES = 1024 * 1024
MAX_LINE_BYTES = 65536
MOST_ERRORS = 20
"""How many errors are told of one input."""
TRAP_PORTS = frozenset({162, 9162, 10162})
"""To one of these ports of a capture nothing but notifications should come; elsewhere only what looks like SNMP is read."""
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""A file with recorded answers of crm_mon."""


_NO_FORM = "neither a log, nor crm_mon XML, nor traps"


class NothingReadable(HamonError):
    """No input could be read at all."""


@dataclass(slots=True)
class Input:
    """One file, and what was made of it. `form` is recognised from the content."""

    path: Path
    name: str
    source: Source = Source.LOG
    form: str | None = None
    node: str | None = None
    records: int = 0
    recognised: int = 0
    unrecognised: int = 0
    errors: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    problem: str | None = None
    """Why it is not read at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAs:
    """How the configured collector of this name reads a file; `path` is what its events say. `form` None: a log of the cluster."""

    collector: str
    path: str
    form: TextForm | None = None
    node: str | None = None
    timezone: str = "UTC"
    encodings: tuple[str, ...] = ("utf-8",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    sources: frozenset[Source] = frozenset(Source)
    cluster: str | None = None
    timezone: str = "UTC"
    year: int | None = None
    language: str = "en"
    settings: ClusterSettings | None = None
    read_as: Mapping[Path, ReadAs] = field(default_factory=dict)
    """Files that are read as a collector reads them, by their resolved path; the others are recognised."""
    until: datetime | None = None
    """Time that passes after the evidence; without it hardly any, since nobody knows what came then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    cluster: str | None
    inputs: Sequence[Input]
    incidents: Sequence[Incident]
    events: Sequence[dict[str, Any]]
    facts: Sequence[Event] = ()
    """The events as records, with their rules; without those that only confirm another."""
    polled_at: Sequence[datetime] = ()
    """When the state was asked for, in order."""
    transitions: Sequence[Transition] = ()
    """Every step of the incidents, in order."""
    told: Sequence[Event] = ()
    """All events, also those that only confirm another."""


def analyze(paths: Sequence[Path], rules: RuleSet, options: Options, progress: Callable[[int, int], None] | None = None) -> Analysis:
    """Read all evidence and say what happened. Raises NothingReadable."""
    with tempfile.TemporaryDirectory(prefix="hamon-analyze-") as unpacked:
        inputs = [Input(found.path, found.name, problem=found.problem) for found in recorded_files.find(paths, Path(unpacked))]
        collections = recorded_files.collections(item.name for item in inputs)
        inputs = [item for item in inputs if not recorded_files.is_quotation(item.name, collections)]
        reference = _reference(inputs)
        matcher, trap_matcher = LogMatcher(rules, options.year), TrapMatcher(rules)
        total, done = sum(size(item.path) for item in inputs), 0
        kept: list[Input] = []
        for item in inputs:
            _read(item, matcher, trap_matcher, options, reference)
            done += size(item.path)
            if progress is not None:
                progress(done, total)
            if (item.errors == [_NO_FORM] or item.form == "empty") and item.name.startswith(collections):
                continue  # of a crm report or a sosreport most is no evidence
            if item.source in options.sources or item.form == "empty":
                kept.append(item)
        polls = _polls([item for item in kept if item.source is Source.POLL and item.form is not None], options)
    if not any(item.records for item in kept) and not any(item.form for item in kept):
        reasons = "; ".join(f"{item.name}: {', '.join(item.errors) or 'nothing in it'}" for item in kept[:5])
        raise NothingReadable(f"nothing readable in the paths given ({reasons or 'no file'})")
    settings = options.settings or ClusterSettings(name=options.cluster or "cluster")
    engine = Engine(settings, own=rules.own)
    events: list[Event] = []
    incidents: dict[str, Incident] = {}
    # Where times are equal the order of the files decides: it must not be that of the arguments.
    canonical = sorted(kept, key=lambda item: (item.source is Source.TRAP, item.node or "", item.form or "", item.name))
    for item in canonical:
        if item.source is Source.LOG and _is_newest_first(item.events):
            item.events = [*reversed(item.events)]
    _by_one_name(canonical, polls, engine.state)
    _by_one_clock(canonical)
    ordered = list(causal_order(_streams(canonical)))
    end = max((*(event.at for event in ordered), *(snapshot.status.at for snapshot in polls)), default=None)
    steps: list[Event | Snapshot | Tick] = [*with_snapshots(ordered, polls)]
    if end is not None:
        # Logs say that nothing more is to be done, polls what is; of traps alone only silence tells how it ended.
        hearsay = bool(ordered) and not polls and all(event.source is Source.TRAP for event in ordered)
        over = end + (settings.grace + settings.settle if hearsay else settings.membership)
        steps.append(Tick(now=max(over, options.until or over)))
    advance = engine.advance(steps)
    events = list(advance.events)
    for transition in advance.transitions:
        incidents[transition.incident.key] = transition.incident
    found = sorted(incidents.values(), key=lambda item: (item.started_at or datetime.min.replace(tzinfo=UTC), item.detected_at, item.key))
    return Analysis(
        cluster=options.cluster,
        inputs=kept,
        incidents=found,
        events=_facts(events),
        facts=[event for event in events if not event.witness],
        polled_at=sorted(poll.status.at for poll in polls),
        transitions=advance.transitions,
        told=events,
    )


# -- inputs


def _reference(inputs: Iterable[Input]) -> datetime:
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


def _read(item: Input, matcher: LogMatcher, traps: TrapMatcher, options: Options, reference: datetime) -> None:
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
                    _scan(item, _whole_records(_blocks(head, stream), as_collector.form), matcher, options, reference, as_collector)
                return
            item.source, item.form = _recognise(head, item.path)
            if item.form is None:
                item.errors.append(_NO_FORM)
                return
            if item.source not in options.sources:
                return
            if item.source is Source.TRAP:
                _scan_traps(item, _datagrams(item, head, stream), traps, options)
                return
            if item.source is not Source.LOG:
                return
            data: Iterator[bytes] = _syslog_jsonl(head, stream) if item.form == "syslog.jsonl" else _blocks(head, stream)
            _scan(item, data, matcher, options, reference, as_collector)
    except FileNotFoundError:
        item.errors.append("no such file")
    except UNREADABLE as err:
        item.errors.append(f"cannot be read: {getattr(err, 'strerror', None) or err}")


def _polls(items: Sequence[Input], options: Options) -> list[Snapshot]:
    """The recorded answers of crm_mon; errors and counts are noted with the inputs."""
    documents = []
    for item in items:
        try:
            with opened(item.path) as stream:
                data = stream.read(MAX_ANSWER_BYTES + 1)
            if len(data) > MAX_ANSWER_BYTES:
                item.errors.append(f"larger than {MAX_ANSWER_BYTES // 1024**2} MiB: the rest is not read")
            documents.append(recorded_polls.Document(item.name, data, datetime.fromtimestamp(item.path.stat().st_mtime, UTC)))
        except UNREADABLE as err:
            item.errors.append(f"cannot be read: {getattr(err, 'strerror', None) or err}")
    found = recorded_polls.snapshots(documents, cluster=options.cluster or "cluster", timezone=options.timezone)
    read = {document.name: document for document in documents}
    for item in items:
        if (document := read.get(item.name)) is not None:
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
        re.compile(rb"^(?:\S+\s+\d+ \d\d:\d\d:\d\d|\d{4}/\d\d/\d\d_\S+) \S+\s+(?:error|warning|info|notice|crit): ", re.MULTILINE),
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
    return any(
        plain is not None and line_head(plain.encode("utf-8", "replace").split(None, 11)) is not None for plain in map(rewritten, lines)
    )


def _blocks(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of complete lines."""
    rest = head
    while block := stream.read(CHUNK_BYTES):
        rest += block
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > 16 * MAX_LINE_BYTES:
            rest = rest[:MAX_LINE_BYTES]
    if rest:
        yield rest


def _syslog_jsonl(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Lines as a syslog receiver took them: `{"t": epoch, "src": address, "raw": datagram}`."""
    for block in _blocks(head, stream):
        lines = []
        for row in block.splitlines():
            try:
                raw = str(json.loads(row)["raw"])
            except (ValueError, KeyError, TypeError):
                raw = ""
            lines.append(re.sub(r"^<\d{1,3}>", "", raw).replace("\n", "#012").encode("utf-8", "replace"))
        yield b"\n".join(lines) + b"\n"


def _whole_records(blocks: Iterator[bytes], form: TextForm) -> Iterator[bytes]:
    """Blocks that end where a record does."""
    held = b""
    for block in blocks:
        held += block
        cut = last_start(form, held)
        if cut and cut < len(held):
            yield held[:cut]
            held = held[cut:]
        elif len(held) > 4 * CHUNK_BYTES:
            yield held
            held = b""
    if held:
        yield held


def _scan(
    item: Input, blocks: Iterator[bytes], matcher: LogMatcher, options: Options, reference: datetime, read_as: ReadAs | None = None
) -> None:
    offset = 0
    as_found = ReadAs(collector="analyze", path=item.name, timezone=options.timezone, encodings=("utf-8", "euc_jp", "shift_jis"))
    how = read_as or as_found
    for block in blocks:
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


# -- traps


@dataclass(frozen=True, slots=True)
class _Captured:
    """A datagram of a recording. `port` None: it was recorded as a trap, whatever port it came to."""

    at: datetime
    source: str
    data: bytes
    port: int | None = None


def _datagrams(item: Input, head: bytes, stream: IO[bytes]) -> Iterator[_Captured]:
    """The datagrams of a file; what cannot be read is reported in the input."""
    if item.form == "pcap":
        try:
            for found in datagrams(_Again(head, stream)):
                if isinstance(found, ParseError):
                    _cannot(item, str(found))
                else:
                    yield _Captured(found.at, found.source, found.data, found.destination_port)
        except ParseError as err:
            _cannot(item, str(err), counts=False)
        return
    number = 0
    for block in _blocks(head, stream):
        for row in block.splitlines():
            number += 1
            if not row.strip():
                continue
            try:
                yield _captured(row)
            except ParseError:
                _cannot(item, f"line {number}: not a trap as {{t, src, hex}}")


def _captured(row: str | bytes) -> _Captured:
    """One line of traps.jsonl. Raises ParseError."""
    try:
        fields = json.loads(row)
        at = datetime.fromtimestamp(float(fields["t"]), UTC)
        return _Captured(at, str(fields["src"]), bytes.fromhex(fields["hex"]))
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as err:
        raise ParseError("not a trap as {t, src, hex}", row) from err


def recorded_trap(row: str) -> Trap:
    """The trap in one line of traps.jsonl. Raises ParseError, also for a datagram that is none."""
    captured = _captured(row)
    return _trap(captured, _message(captured.data), Options())


class _Again:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def read(self, count: int) -> bytes:
        given, self._head = self._head[:count], self._head[count:]
        return given + self._stream.read(count - len(given)) if len(given) < count else given


def _cannot(item: Input, reason: str, *, counts: bool = True) -> None:
    """One record that cannot be read; `counts` False: it is not even known that it is one."""
    item.records += counts
    item.unrecognised += counts
    if len(item.errors) < MOST_ERRORS:
        item.errors.append(reason)


def _scan_traps(item: Input, captured: Iterable[_Captured], matcher: TrapMatcher, options: Options) -> None:
    traps = []
    for datagram in captured:
        if datagram.port is not None and datagram.port not in TRAP_PORTS and version(datagram.data) is None:
            continue  # a capture may hold anything
        try:
            traps.append(_trap(datagram, _message(datagram.data), options))
        except ParseError as err:
            _cannot(item, f"{datagram.at:%H:%M:%S.%f} from {datagram.source}: {err}")
    scan = matcher.scan(traps, timezone=options.timezone, path=item.name)
    item.records += len(traps)
    item.recognised = len(traps)
    item.events += scan.events


def _message(datagram: bytes) -> TrapMessage:
    """The notification in a datagram. Raises ParseError, also for a v3 message that is encrypted."""
    if version(datagram) is not SnmpVersion.V3:
        return decode(datagram)
    header = decode_v3_header(datagram)
    if header.is_encrypted:
        raise ParseError("an encrypted v3 message, whose key is not known", datagram)
    return decode_scoped_pdu(header.data)


def _trap(datagram: _Captured, message: TrapMessage, options: Options) -> Trap:
    return Trap(
        cluster=options.cluster or "cluster",
        collector="analyze",
        received_at=datagram.at,
        source=datagram.source,
        version=message.version,
        credential="",
        notification=message.notification,
        varbinds=message.varbinds,
        inform=message.inform,
        request_id=message.request_id,
        uptime=message.uptime,
        enterprise=message.enterprise,
        agent_address=message.agent_address,
        irregular=message.irregular,
        pdu=message.pdu,
    )


# -- order


def _by_one_name(items: Sequence[Input], polls: Sequence[Snapshot], state: State) -> None:
    """Give each node one name, that which the cluster uses, before the order of the evidence could decide it."""
    polled = {node.name for snapshot in polls for node in snapshot.status.nodes}
    state.spoken = spoken((event for item in items for event in item.events), polled)
    for item in items:
        if item.source is Source.LOG:
            item.events = [one_name(state, event) for event in item.events]
            item.node = state.names.get(item.node or "", item.node or "") or None


def _by_one_clock(items: Sequence[Input]) -> None:
    """Give all logs the time of one clock; whose was wrong is told with each input."""
    offsets = ahead(item.events for item in items)
    for item in items if offsets else ():
        if item.source is not Source.LOG:
            continue
        wrong = sorted({event.reporter for event in item.events if event.reporter is not None} & offsets.keys())
        item.events = list(by_one_clock(item.events, offsets))
        for name in wrong:
            seconds = offsets[name].total_seconds()
            way = "ahead of" if seconds > 0 else "behind"
            item.errors.append(f"the clock of {name} is {abs(seconds):.1f} s {way} that of the others; its times are corrected by that")


def _is_newest_first(events: Sequence[Event]) -> bool:
    """Whether a log was written out from its end to its beginning, as `journalctl --reverse` does; nodes may be a little out of step."""
    steps = [later.at - one.at for one, later in pairwise(events)]
    down, up = sum(step < timedelta() for step in steps), sum(step > timedelta() for step in steps)
    return down > 4 * up


def _streams(items: Iterable[Input]) -> list[list[Event]]:
    """What was written one after the other: a log through all its files, or the traps of one sender."""
    streams: list[list[Event]] = []
    logs: dict[tuple[str, str], list[list[Event]]] = defaultdict(list)
    for item in items:
        if item.source is Source.TRAP:
            senders: dict[str | None, list[Event]] = defaultdict(list)
            for event in item.events:
                senders[event.reporter].append(event)
            streams += [senders[sender] for sender in sorted(senders, key=str)]
        elif item.node is None:
            streams.append(item.events)
        elif item.events:
            logs[item.node, item.form or ""].append(item.events)
    return [*(events for key in sorted(logs) for events in _rejoined(logs[key])), *streams]


def _rejoined(pieces: Sequence[list[Event]]) -> list[list[Event]]:
    """Files of one log, as rotation leaves them, are one after the other again; a copy of what another file has stays by itself.

    They are one witness then: what the log says twice is said twice (see classify/facts.py), so all of it is told of the first file.
    """
    whole: list[list[Event]] = []
    for piece in sorted(pieces, key=lambda events: (events[0].at, events[-1].at, events[0].raw)):
        before = next((events for events in whole if events[-1].at <= piece[0].at and not _share_lines(events, piece)), None)
        if before is None:
            whole.append([*piece])
        else:
            path = before[0].ref.rpartition("@")[0]
            before += [replace(event, ref=f"{path}@{event.ref.rpartition('@')[2]}") for event in piece]
    return whole


def _share_lines(first: Sequence[Event], second: Sequence[Event]) -> bool:
    """Whether the end of one has lines that the begin of the other has too."""
    end, begin = first[-1].at, second[0].at
    return bool({event.raw for event in first if event.at >= begin} & {event.raw for event in second if event.at <= end})


# -- answers


def _facts(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Each fact once, with its sources and reporters."""
    facts: list[dict[str, Any]] = []
    known: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.kind is EventKind.UNCLASSIFIED and event.witness:
            continue
        key = fact_key(event)
        if event.witness and known[key]:
            fact = known[key][-1]
        else:
            fact = {
                "at": _time(event.at),
                "kind": event.kind.value,
                "node": event.node,
                "resource": event.resource,
                "detail": dict(event.detail),
                "sources": [],
                "reported_by": [],
            }
            known[key].append(fact)
            facts.append(fact)
        if event.source.value not in fact["sources"]:
            fact["sources"].append(event.source.value)
        if event.reporter is not None and event.reporter not in fact["reported_by"]:
            fact["reported_by"].append(event.reporter)
    return facts


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entry(entry: TimelineEntry, language: str) -> dict[str, Any]:
    return {
        "at": _time(entry.at),
        "node": entry.node,
        "source": entry.source.value,
        "event": entry.event.value,
        "text": entry_text(entry, language),
        "raw": entry.raw,
    }


def _evidence(item: Evidence, language: str) -> dict[str, Any]:
    return {
        "verdict": item.verdict.value,
        "text": verdict_text(item, language, UTC),
        "by": [_entry(entry, language) for entry in item.by],
        "polled_at": _time(item.polled_at),
    }


def incident_json(incident: Incident, language: str) -> dict[str, Any]:
    """An incident as the contract wants it."""
    cause = incident.cause
    return {
        "key": incident.key,
        "kind": incident.kind.value,
        **({"name": incident.name, "title": headline_what(incident, language)} if incident.name else {}),
        "planned": incident.planned,
        "outcome": incident.outcome.value,
        "severity": incident.severity.value,
        "part_of": incident.part_of,
        "nodes": list(incident.nodes),
        "resources": list(incident.resources),
        "from_node": incident.from_node,
        "to_node": incident.to_node,
        "fenced": list(incident.fenced),
        "started_at": _time(incident.started_at),
        "detected_at": _time(incident.detected_at),
        "service_restored_at": _time(incident.service_restored_at),
        "redundancy_restored_at": _time(incident.redundancy_restored_at),
        "resolved_at": _time(incident.resolved_at),
        "service_down_seconds": incident.service_down_seconds,
        "cause": None
        if cause is None
        else {"kind": cause.kind, "node": cause.node, "resource": cause.resource, "at": _time(cause.at), "text": cause.text},
        "evidence": [_evidence(item, language) for item in incident.evidence],
        "sources": [source.value for source in incident.sources],
        "timeline": [_entry(entry, language) for entry in incident.timeline],
        "next_steps": list(next_steps(incident, language)),
    }


def to_json(analysis: Analysis, language: str) -> dict[str, Any]:
    """The whole answer as one object (contract)."""
    return {
        "cluster": analysis.cluster,
        "inputs": [
            {
                "path": item.name,
                "source": item.source.value,
                "form": item.form,
                "node": item.node,
                "records": item.records,
                "recognised": item.recognised,
                "unrecognised": item.unrecognised,
                "errors": item.errors,
            }
            for item in analysis.inputs
        ],
        "incidents": [incident_json(incident, language) for incident in analysis.incidents],
        "events": list(analysis.events),
    }


def to_text(analysis: Analysis, language: str, timezone: str) -> str:
    """For people: the incidents that stand alone, each with its headline and its story, then what was read."""
    zone = ZoneInfo(timezone)
    main = [incident for incident in analysis.incidents if incident.part_of is None]
    told = [f"{headline(incident, language)}\n\n{story_text(incident, language, zone)}" for incident in main]
    files, lines = str(len(analysis.inputs)), str(sum(item.records for item in analysis.inputs))
    read = [phrase("analysis.read", language, files=files, lines=lines, incidents=str(len(main)))]
    read += [clean(f"{item.name}: {error}", 300) for item in analysis.inputs for error in item.errors[:1]]
    return f"\n{'─' * 72}\n\n".join([*told, "\n".join(read)])


def to_report(analysis: Analysis, suffix: str, language: str, timezone: str, written_at: datetime | None = None) -> str:
    """An incident report to hand on: Markdown for the suffix `.md`, else one HTML page."""
    subject = document.Subject(
        cluster=analysis.cluster,
        incidents=analysis.incidents,
        evidence=[
            document.Evidence(name=item.name, form=item.form, node=item.node, records=item.records, problems=tuple(item.errors))
            for item in analysis.inputs
        ],
        polled_at=analysis.polled_at,
        events=analysis.told,
        written_at=written_at,
    )
    return (document.markdown if suffix.lower() == ".md" else document.html)(subject, language, ZoneInfo(timezone))
