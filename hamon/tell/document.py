"""The incident report: a whole document for people who were not there, as Markdown or as one HTML page that needs nothing else.

The law: `blocks` decides what is said, `markdown` and `html` only how it looks; what comes out of logs is never markup.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from importlib.resources import files

from hamon.model.event import Event
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome, TimelineEntry
from hamon.model.observation import Source
from hamon.tell.chain import BY_PEOPLE, CONSEQUENCES, DECISIONS, SIGNS, downtime, gap_text, merged, only_polls, phases
from hamon.tell.evidence import RAW_LIMIT, decider_text, verdict_text
from hamon.tell.headline import cause_text, concerns_redundancy, down_text, is_down, protection_text, redundancy_text, summary, what
from hamon.tell.reading import input_problem
from hamon.tell.steps import next_steps
from hamon.tell.timeline import entry_text, lines, most_telling, without_repetition
from hamon.tell.witnesses import Witness, witnesses
from hamon.tell.words import clean, duration, incident_name, listed, phrase, route, severity_name

TIMELINE_LIMIT = 200
CHAIN_LIMIT = 12
"""How many decisions, and how many consequences, a cause chain shows."""
EVIDENCE_LIMIT = 100
PROBLEM_LIMIT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One file that was read, for the last section. `form` None: it could not be read."""

    name: str
    form: str | None
    node: str | None
    records: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a report is about. `incidents` in order of time, parts among them; `polled_at` when the state was asked for, in order.

    `events` are looked through for who else told what the timelines say. `now` is what is amiss in the cluster at the time of writing
    (`ClusterView.amiss`), None where that is not known.
    """

    cluster: str | None
    incidents: Sequence[Incident]
    evidence: Sequence[Evidence] = ()
    polled_at: Sequence[datetime] = ()
    written_at: datetime | None = None
    events: Sequence[Event] = ()
    now: Sequence[str] | None = None


# -- what is said


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    items: Sequence[str]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`head` empty: the first column is a label. `kind` names the look; a row of one cell goes over all columns."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: str = "facts"


Block = Heading | Paragraph | Items | Table


@dataclass(frozen=True, slots=True)
class _Teller:
    """The language and the zone, and words for times in them."""

    language: str
    zone: tzinfo

    def say(self, key: str, **values: str | None) -> str:
        return phrase(f"document.{key}", self.language, **values)

    def moment(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S}"

    def clock(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"

    def length(self, seconds: float) -> str:
        return duration(seconds, self.language)


def title(subject: Subject, language: str) -> str:
    return phrase("document.title", language, cluster=clean(subject.cluster or "", 60) or None)


def blocks(subject: Subject, language: str, zone: tzinfo) -> Iterator[Block]:
    """The report, piece by piece."""
    tell = _Teller(language, zone)
    main = [incident for incident in subject.incidents if incident.part_of is None]
    yield Heading(1, title(subject, language))
    yield Table((), _about(subject, tell))
    yield Heading(2, tell.say("summary"))
    if not main:
        yield Paragraph(tell.say("nothing"))
    else:
        worst = max(main, key=lambda incident: (incident.severity.rank, incident.service_down_seconds or 0.0))
        yield Paragraph(tell.say("sentence", text=summary(worst, tell.language)))
        yield Table([tell.say(key) for key in ("number", "began", "what", "down", "protection")], _overview(main, tell), "overview")
    for number, incident in enumerate(main, 1):
        parts = _parts(incident, subject.incidents)
        yield from _incident(number, incident, parts, subject, tell)
    if subject.evidence:
        yield Heading(2, tell.say("evidence"))
        yield from _evidence(subject.evidence, tell)


def _about(subject: Subject, tell: _Teller) -> list[list[str]]:
    times = [entry.at for incident in subject.incidents for entry in incident.timeline]
    rows = []
    if times:
        rows.append([tell.say("period"), tell.say("from_to", begin=tell.moment(min(times)), end=tell.moment(max(times)))])
    zone = getattr(tell.zone, "key", None) or str(tell.zone)
    rows.append([tell.say("zone"), clean(zone, 60)])
    if subject.written_at is not None:
        rows.append([tell.say("written"), tell.moment(subject.written_at)])
    return rows


def _overview(main: Sequence[Incident], tell: _Teller) -> list[list[str]]:
    rows = []
    for number, incident in enumerate(main, 1):
        severity = severity_name(incident.severity, tell.language)
        rows.append(
            [
                str(number),
                tell.moment(incident.started_at or incident.detected_at),
                tell.say("tagged", severity=severity, what=what(incident, tell.language)),
                down_text(incident, tell.language) or tell.say("none"),
                protection_text(incident, tell.language) or tell.say("none"),
            ]
        )
    return rows


def _parts(incident: Incident, all_of_them: Sequence[Incident]) -> list[Incident]:
    """What is part of an incident, also by way of other parts."""
    inside, found = {incident.key}, True
    while found:
        found = {other.key for other in all_of_them if other.part_of in inside} - inside != set()
        inside |= {other.key for other in all_of_them if other.part_of in inside}
    return [other for other in all_of_them if other.key in inside and other.key != incident.key]


def _incident(number: int, incident: Incident, parts: Sequence[Incident], subject: Subject, tell: _Teller) -> Iterator[Block]:
    entries = without_repetition(merged(incident, parts))
    yield Heading(2, tell.say("numbered", number=str(number), what=what(incident, tell.language)))
    yield Table((), _facts(incident, tell))
    yield Heading(3, tell.say("chain"))
    yield from _chain(incident, parts, entries, tell)
    if incident.evidence:
        yield Heading(3, phrase("evidence.title", tell.language))
        yield from _verdicts(incident, tell)
    yield Heading(3, tell.say("downtime"))
    yield from _downtime(incident, entries, subject.polled_at, tell)
    if concerns_redundancy(incident):
        yield Heading(3, tell.say("redundancy"))
        yield from _redundancy(incident, tell)
    yield Heading(3, tell.say("actions"))
    done = _each_once([entry for entry in entries if entry.event in BY_PEOPLE], tell)
    yield Items(_bounded(done, CHAIN_LIMIT, tell)) if done else Paragraph(tell.say("no_actions"))
    yield Heading(3, tell.say("next"))
    yield Items(next_steps(incident, tell.language, subject.now), ordered=True)
    yield Heading(3, tell.say("timeline"))
    yield from _timeline(entries, subject.events, tell)


def _facts(incident: Incident, tell: _Teller) -> list[list[str]]:
    language = tell.language
    state = tell.say(
        "state_value", state=phrase(f"state.{incident.state}", language), outcome=phrase(f"outcome.{incident.outcome}", language)
    )
    known = [
        ("kind", incident_name(incident.kind, language)),
        ("severity", severity_name(incident.severity, language)),
        ("planned", tell.say({True: "yes", False: "no", None: "not_known"}[incident.planned])),
        ("state", state),
        ("route", route(incident.from_node, incident.to_node, language)),
        ("nodes", listed(incident.nodes, language, 12)),
        ("services", listed(incident.services, language, 12)),
        ("resources", listed(incident.resources, language, 12)),
        ("fenced", listed(incident.fenced, language, 12)),
        ("began", tell.moment(incident.started_at) if incident.started_at else tell.say("before_evidence")),
        ("detected", tell.moment(incident.detected_at)),
        ("restored", tell.moment(incident.service_restored_at) if incident.service_restored_at else None),
        ("protected", tell.moment(incident.redundancy_restored_at) if incident.redundancy_restored_at else None),
        ("ended", tell.moment(incident.resolved_at) if incident.resolved_at else None),
        ("sources", listed([phrase(f"source.{source}", language) for source in incident.sources], language)),
        ("key", clean(incident.key, 200)),
    ]
    return [[tell.say(label), value] for label, value in known if value]


def _chain(incident: Incident, parts: Sequence[Incident], entries: Sequence[TimelineEntry], tell: _Teller) -> Iterator[Block]:
    cause = incident.cause
    first = cause_text(incident, tell.language)
    if cause is not None and cause.at is not None:
        first = tell.say("at", clock=tell.clock(cause.at), text=first)
    # With what showed before the cause was known the incident began.
    place = next((number for number, entry in enumerate(entries) if cause is not None and entry.at == cause.at), 0)
    signs = [entry for entry in entries[:place] if entry.event in SIGNS]
    yield Paragraph(tell.say("first"))
    yield Items([*_bounded(_each_once(signs, tell), CHAIN_LIMIT, tell), first])
    for key, kinds in (("decided", DECISIONS), ("followed", CONSEQUENCES)):
        told = _bounded(_each_once([entry for entry in entries if entry.event in kinds], tell), CHAIN_LIMIT, tell)
        if told:
            yield Paragraph(tell.say(key))
            yield Items(told)
    if parts:
        yield Paragraph(tell.say("parts"))
        yield Items(_bounded([summary(part, tell.language) for part in parts if not _denied(part, parts)], CHAIN_LIMIT, tell))


def _verdicts(incident: Incident, tell: _Teller) -> Iterator[Block]:
    """Each verdict, and below it the events that decided it, with their original lines."""
    for item in incident.evidence:
        yield Paragraph(verdict_text(item, tell.language, tell.zone))
        told = [(decider_text(entry, tell.language, tell.zone), clean(entry.raw, RAW_LIMIT)) for entry in item.by]
        if told:
            yield Items([f"{words} – {raw}" if raw else words for words, raw in told])


def _denied(part: Incident, parts: Sequence[Incident]) -> bool:
    """Whether a part is a fencing that never succeeded: the part that tells of its failure says so."""
    failed = any(other.kind is IncidentKind.FENCING_FAILED and set(other.nodes) & set(part.nodes) for other in parts)
    return part.kind is IncidentKind.FENCING and failed and part.outcome is not Outcome.SUCCEEDED


def _each_once(entries: Sequence[TimelineEntry], tell: _Teller) -> list[str]:
    """One line for all entries with the same words: when it was first, and how often."""
    times: dict[str, list[datetime]] = {}
    for entry in entries:
        times.setdefault(entry_text(entry, tell.language), []).append(entry.at)
    told = []
    for text, found in times.items():
        line = tell.say("at", clock=tell.clock(found[0]), text=text)
        told.append(line if len(found) == 1 else tell.say("repeated", line=line, count=str(len(found)), last=tell.clock(found[-1])))
    return told


def _bounded(told: Sequence[str], limit: int, tell: _Teller) -> list[str]:
    kept = list(dict.fromkeys(told))
    return kept if len(kept) <= limit else [*kept[:limit], tell.say("more", count=str(len(kept) - limit))]


def _downtime(incident: Incident, entries: Sequence[TimelineEntry], polled_at: Sequence[datetime], tell: _Teller) -> Iterator[Block]:
    down = downtime(incident, polled_at)
    if down is None:
        if is_down(incident):
            since = incident.started_at
            yield Paragraph(tell.say("still_down", since=tell.moment(since) if since else None))
        else:
            known = incident.service_down_seconds is not None
            yield Paragraph(tell.say("no_downtime" if known else "unknown_downtime"))
        return
    whole = tell.length(down.seconds)
    yield Paragraph(tell.say("was_down", duration=whole, begin=tell.moment(down.begin), end=tell.moment(down.end)))
    if only_polls(incident):
        shortest, longest = down.shortest_seconds, down.longest_seconds
        yield Paragraph(
            tell.say(
                "seen_by_polls",
                shortest=None if shortest is None else tell.length(shortest),
                longest=None if longest is None else tell.length(longest),
            )
        )
        return
    spent = [tell.say(f"phase.{phase.name}", duration=tell.length(phase.seconds), whole=whole) for phase in phases(down, entries)]
    if spent:
        yield Items(spent)


def _redundancy(incident: Incident, tell: _Teller) -> Iterator[Block]:
    yield Paragraph(redundancy_text(incident, tell.language))
    begin, end = incident.service_restored_at or incident.started_at, incident.redundancy_restored_at
    if begin is not None and end is not None and end > begin:
        length = tell.length((end - begin).total_seconds())
        yield Paragraph(tell.say("unprotected", duration=length, begin=tell.moment(begin), end=tell.moment(end)))
    elif begin is not None and incident.redundancy is False and incident.state is IncidentState.OPEN:
        yield Paragraph(tell.say("unprotected_since", begin=tell.moment(begin)))


def _timeline(entries: Sequence[TimelineEntry], events: Sequence[Event], tell: _Teller) -> Iterator[Block]:
    kept = most_telling(entries, TIMELINE_LIMIT)
    if not kept:
        yield Paragraph(phrase("report.no_timeline", tell.language))
        return
    rows: list[list[str]] = []
    day = None
    for number, (line, told_by) in enumerate(zip(lines(kept), witnesses(kept, events), strict=True)):
        entry = line.entry
        if line.gap_seconds:
            why = gap_text(kept[:number], entry, tell.language)
            rows.append([tell.say("gap_line", duration=tell.length(line.gap_seconds), why=why)])
        date = entry.at.astimezone(tell.zone).date()
        clock = tell.clock(entry.at)
        if date != day:
            day = date
            clock = f"{date.isoformat()} {clock}"
        said = entry_text(entry, tell.language, with_node=False)
        rows.append([clock, clean(entry.node or "", 60), said, _told_by(told_by, tell)])
    yield Table([tell.say(key) for key in ("time", "node", "event", "source")], rows, "timeline")
    if left_out := len(entries) - len(kept):
        yield Paragraph(phrase("report.left_out", tell.language, count=str(left_out)))


def _told_by(told_by: Sequence[Witness], tell: _Teller) -> str:
    """`log (pm01, pm02); SNMP trap`."""
    told = []
    for witness in told_by:
        source = phrase(f"source.{witness.source}", tell.language)
        nodes = listed(witness.nodes, tell.language, 6)
        told.append(tell.say("told_by", source=source, nodes=nodes) if nodes and witness.source is not Source.POLL else source)
    return tell.say("and_also").join(told)


def _evidence(evidence: Sequence[Evidence], tell: _Teller) -> Iterator[Block]:
    # Of answers of crm_mon there may be thousands, one a file: one line for each folder.
    groups: dict[tuple[str, str | None], list[Evidence]] = {}
    for item in evidence:
        folder = item.name.rpartition("/")[0]
        groups.setdefault((f"{folder}/*.xml" if item.form == "crm_mon" and folder else item.name, item.form), []).append(item)
    rows = []
    for (name, form), items in list(groups.items())[:EVIDENCE_LIMIT]:
        nodes = [item.node for item in items if item.node]
        shown = clean(items[0].name if len(items) == 1 else name, 200)
        form_shown = tell.say("unread") if form is None else clean(form, 40)
        rows.append([shown, form_shown, listed(nodes, tell.language) or "", str(sum(item.records for item in items))])
    yield Table([tell.say(key) for key in ("file", "form", "node", "records")], rows, "evidence")
    if (more := len(groups) - EVIDENCE_LIMIT) > 0:
        yield Paragraph(tell.say("more", count=str(more)))
    problems = [clean(f"{item.name}: {input_problem(text, tell.language)}", 300) for item in evidence for text in item.problems[:1]]
    if problems:
        yield Paragraph(tell.say("problems"))
        yield Items(_bounded(problems, PROBLEM_LIMIT, tell))


# -- how it looks

_CODE = re.compile(r"`([^`]+)`")
# An underscore inside a word is only an underscore; everything else here could begin markup.
_MARKUP = re.compile(r"[\\`*\[\]<|#~]|^>|(?<![^\W_])_|_(?![^\W_])")


def _md(text: str) -> str:
    shown = []
    for number, piece in enumerate(_CODE.split(text)):
        if number % 2:
            code = piece.replace("|", "\\|")
            shown.append(f"`{code}`")
        else:
            shown.append(_MARKUP.sub(r"\\\g<0>", piece).replace("&", "&amp;"))
    return "".join(shown)


def markdown(subject: Subject, language: str, zone: tzinfo) -> str:
    """The report as Markdown (CommonMark with the tables of GitHub)."""
    text = []
    for block in blocks(subject, language, zone):
        match block:
            case Heading():
                text.append(f"{'#' * block.level} {_md(block.text)}")
            case Paragraph():
                text.append(_md(block.text))
            case Items():
                marks = (f"{number}." if block.ordered else "-" for number in range(1, len(block.items) + 1))
                text.append("\n".join(f"{mark} {_md(item)}" for mark, item in zip(marks, block.items, strict=True)))
            case Table():
                text.append(_md_table(block))
    return "\n\n".join(text) + "\n"


def _md_table(table: Table) -> str:
    width = len(table.head) or 2
    rows = ["| " + " | ".join(_md(cell) for cell in table.head or ("", "")) + " |", "|" + " --- |" * width]
    for row in table.rows:
        # One cell for all columns: the text goes where the words are.
        cells = ["", "", f"*{_md(row[0])}*", ""][:width] if len(row) == 1 else [_md(cell) for cell in row]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _html(text: str) -> str:
    # Written as two signs an arrow would be torn apart at the end of a line.
    return _CODE.sub(r"<code>\1</code>", escape(text).replace("-&gt;", "→"))


def html(subject: Subject, language: str, zone: tzinfo) -> str:
    """The report as one page: no script, nothing that is loaded."""
    style = (files("hamon.tell") / "document.css").read_text(encoding="utf-8")
    body = "\n".join(_html_blocks(blocks(subject, language, zone)))
    return _PAGE.format(language=language, title=escape(title(subject, language)), style=style, body=body)


def _html_blocks(told: Iterable[Block]) -> Iterator[str]:
    inside = False
    for block in told:
        match block:
            case Heading():
                if block.level == 2:
                    yield "</section>\n<section>" if inside else "<section>"
                    inside = True
                yield f"<h{block.level}>{_html(block.text)}</h{block.level}>"
            case Paragraph():
                yield f"<p>{_html(block.text)}</p>"
            case Items():
                tag = "ol" if block.ordered else "ul"
                yield f"<{tag}>" + "".join(f"<li>{_html(item)}</li>" for item in block.items) + f"</{tag}>"
            case Table():
                yield _html_table(block)
    if inside:
        yield "</section>"


def _html_table(table: Table) -> str:
    width = len(table.head) or 2
    head = "".join(f'<th scope="col">{_html(cell)}</th>' for cell in table.head)
    rows = []
    for row in table.rows:
        if len(row) == 1:
            rows.append(f'<tr class="gap"><td colspan="{width}">{_html(row[0])}</td></tr>')
            continue
        first = f'<th scope="row">{_html(row[0])}</th>' if not table.head else f"<td>{_html(row[0])}</td>"
        rows.append(f"<tr>{first}" + "".join(f"<td>{_html(cell)}</td>" for cell in row[1:]) + "</tr>")
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<table class="{table.kind}">{top}<tbody>' + "\n".join(rows) + "</tbody></table>"
