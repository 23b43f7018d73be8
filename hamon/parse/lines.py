r"""One log line to its parts: when, which node, which daemon, which level, and the text that rules are tried on.

The forms (`domain` of the rules stays the same for all of them):

    syslog     Nov 22 10:52:22 pm02 pacemaker-controld[106]:  notice: TEXT      (date also ISO 8601)
    detail     Nov 22 10:52:22.856 pm01 pacemaker-execd     [105] (log_op_output) <TAB>info: TEXT | EXTENDED
    detail 1.1 Nov 22 10:52:22 [105] pm01       crmd:     info: function:<TAB>TEXT | EXTENDED
    corosync   Nov 22 11:10:50 [80] pm01 corosync info    [KNET  ] TEXT
    logconv    Nov 22 10:52:22 pm01   error: TEXT                                (pm_logconv.out; date also 2017/04/24_06:19:55)

Of a line one looks first at its head: the tag and what follows, as far as the second word of the text (`HEADS`). From these words alone,
without decoding, `Head` tells which form it is and where the text begins. Heads repeat, so what one means can be remembered, and lines
nobody asks for cost almost nothing.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hamon.errors import ParseError
from hamon.model.record import quickly_made
from hamon.parse.daemons import SINCE_2_0, current_name
from hamon.parse.stamp import Stamps

LEVELS = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug", "trace")
_LEVEL_NAMES = {name: name for name in LEVELS} | {"err": "error", "warn": "warning", "critical": "crit", "emergency": "emerg"}
SEVERE = frozenset({"emerg", "alert", "crit", "error", "warning"})
"""Levels whose lines are kept also when no rule knows them."""

LOGCONV = "pm_logconv"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line's parts. `level` is None where the form does not carry one; `instance` is the resource of an agent's line."""

    at: datetime
    host: str
    daemon: str
    level: str | None
    text: str
    extended: str = ""
    instance: str | None = None


_DATE = r"(?P<date>[A-Z][a-z]{2}\s+\d{1,2}\s+\d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\S+|\d{4}/\d\d/\d\d_\d\d:\d\d:\d\d)"
_FORMS = tuple(
    re.compile(rf"^(?:<\d{{1,3}}>)?{_DATE}\s+{rest}$", re.DOTALL)
    for rest in (
        # detail, 2.0 and later
        r"(?P<host>\S+)\s+(?P<daemon>[\w-]+)\s*\[\d+\]\s+\([^)]*\)\s*(?P<level>[a-z]+):\s(?P<text>.*)",
        # detail, 1.1
        r"\[\d+\]\s+(?P<host>\S+)\s+(?P<daemon>[\w-]+):\s+(?P<level>[a-z]+):\s+(?:cib:diff|\w+):\s+(?P<text>.*)",
        # corosync's own file
        r"\[\d+\]\s+(?P<host>\S+)\s+(?P<daemon>corosync)\s+(?P<level>[a-z]+)\s+\[\w+\s*\]\s?(?P<text>.*)",
        # syslog: corosync
        r"(?P<host>\S+)\s+(?P<daemon>corosync)(?:\[\d+\])?:\s+(?:(?P<level>[a-z]+)\s+)?\[\w+\s*\]\s?(?P<text>.*)",
        # syslog: pm_logconv; its own diagnostics (a pid in brackets first) are another daemon's
        r"(?P<host>\S+)\s+(?P<daemon>pm_logconv)(?:\[\d+\])?:\s+(?!\[\d+\]:)(?P<level>[A-Za-z]+):\s(?P<text>.*)",
        # syslog: daemons and agents; a level with a colon is no program but pm_logconv.out
        rf"(?P<host>\S+)\s+(?P<daemon>(?!(?i:{'|'.join(_LEVEL_NAMES)}):)[\w.+/-]+)(?:\((?P<instance>[^)]*)\))?(?:\[\d+\])?:\s+(?:(?P<level>[A-Za-z]+):\s(?:\s*))?(?P<text>.*)",
        # pm_logconv.out
        r"(?P<host>\S+)\s+(?P<level>[A-Za-z]+):\s(?P<text>.*)",
    )
)
_DETAIL, _DETAIL_1, _COROSYNC, _SYSLOG_COROSYNC, _SYSLOG_LOGCONV, SYSLOG, _LOGCONV = range(len(_FORMS))
_IN_ORDER = tuple(range(len(_FORMS)))
_ORDERS = tuple((first, *(form for form in _IN_ORDER if form != first)) for first in _IN_ORDER)
_LOGCONV_WORDS = frozenset(_LEVEL_NAMES)


def parse_line(line: str, stamps: Stamps, likely: int | None = None) -> LogLine:
    r"""Take a line apart; raises ParseError for anything that is none of the forms. `likely` is the form to try first (see `Head`).

    Tabs that syslog wrote as `#011` become tabs again; white space at the end is removed (Pacemaker leaves a blank there in syslog).
    """
    order = _ORDERS[likely] if likely is not None else _IN_ORDER
    for form in order:
        match = _FORMS[form].match(line)
        if match is None:
            continue
        fields = match.groupdict()
        level = _LEVEL_NAMES.get((fields["level"] or "").lower())
        if form == _LOGCONV:
            daemon = LOGCONV
            if level is None:
                break
        else:
            daemon = current_name(fields["daemon"])
        text = fields["text"]
        if fields["level"] and level is None:  # a word with a colon that is no level belongs to the text
            text = f"{fields['level']}: {text}"
        if "#011" in text:
            text = text.replace("#011", "\t")
        extended = ""
        if form <= _DETAIL_1:
            text, _, extended = text.partition(" |")
        if daemon.startswith("pacemaker") and (function := _FUNCTIONS.match(text)) is not None:
            text = text[function.end() :]
            if form == SYSLOG:  # a tool made it of a line of the detail log
                text, _, extended = text.partition(" |")
        elif form == SYSLOG and not fields["instance"] and (cut := _extended_at(text, daemon)) is not None:
            text, extended = text[:cut], text[cut + 2 :]
        elif daemon == "corosync" and (place := _PLACE.match(text)) is not None:
            text = text[place.end() :]
        elif daemon == "kernel" and (uptime := _UPTIME.match(text)) is not None:
            text = text[uptime.end() :]
        return LogLine(
            at=stamps.read(fields["date"]),
            host=fields["host"],
            daemon=daemon,
            level=level,
            text=text.rstrip(),
            extended=extended.strip(),
            instance=fields.get("instance"),
        )
    raise ParseError("not a line of a log form that hamon knows", line)


_LEVEL_WORDS = {f"{form}:": name for level, name in _LEVEL_NAMES.items() for form in (level, level.upper(), level.capitalize())}


def level_of_word(word: bytes) -> str | None:
    """The level that a word with its colon names; None for any other word."""
    return _LEVEL_WORDS.get(word.decode("ascii", "replace"))


_BEFORE = re.compile(rf"^{_DATE}\s+(?P<host>\S+)\s*$")


def date_and_host(before: str, stamps: Stamps) -> tuple[datetime, str] | None:
    """What stands before the head of a line, as `parse_line` reads it; None where it takes more. Raises ParseError."""
    match = _BEFORE.match(before) if before.isascii() else None
    return (stamps.read(match["date"]), match["host"]) if match is not None else None


HEADS = re.compile(
    rb"(?:(?:[JFMASOND][aepuco][nbrylgptvc] [ \d]?\d \d\d:WORD (?!\[|\d{4} )WORD(?<!:) ++"  # date and host
    rb"|\d{4}(?:[-/]\d\d[-/]\d\d[T_]|\d{4}T)WORD (?!\[)WORD(?<!:)(?= ))"  # the same, the date one word
    rb"( *+WORD"  # tag
    rb"(?: ++\[(?:\d++\] \([^)\s]*+\)|\w++ *+\]))?+"  # pid and function, or the subsystem of corosync
    rb"[ \t]++WORD ++WORD(?: ++WORD)?+)(?=\s)"  # two or three words: level, and beginning of the text
    rb")?+.*+\n".replace(b"WORD", rb"[!-\xff]++")
)
r"""`HEADS.findall` gives the head of every line (each ended by `\n`), empty where it is not laid out as usual.

A head says all that `head` needs: also whether the date is one word, which shows in the blank that it then begins with. A word is of one
range of bytes, without control characters, because that is what a regular expression is fastest at.
"""


def head_words(found: bytes) -> list[bytes]:
    """The words of a line with this head, which is not empty; those before it are stand-ins."""
    return [*((b"0000-T", b"host") if found.startswith(b" ") else (b"Jan", b"1", b"0:0", b"host")), *found.split()]


_UPTIME = re.compile(r"\[\s*\d+\.\d+\]\s+")
"""What the kernel puts before its lines: the seconds since it started. The journal leaves it out."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the words of a line tell: the daemon, at which word the level stands (-1: none), at which the text begins, and the form."""

    daemon: str
    level_word: int
    text_word: int
    form: int
    tag: str = ""
    """The daemon's name as the tag has it."""
    is_agent: bool = False
    """The tag names a resource: `AGENT(RESOURCE)[PID]:`."""


FUNCTION_NAME = r"(?:[a-z]\w*_\w*|cib:diff|main|stage\d|Log(?:Node)?Actions?):"
_FUNCTION = re.compile(f"{FUNCTION_NAME} ")
"""Older releases put the name of a function before the text, the oldest also that of the function that asked for it."""
_FUNCTIONS = re.compile(rf"(?:{FUNCTION_NAME}[ \t]+){{1,2}}")
_PLACE = re.compile(r"(?:[\w-]+\.c:(?:\w+:)?\d+|[a-z]\w*_\w*) ")
"""What Corosync puts before the text with `fileline: on`, with `function_name: on`, or with both."""


def without_level(place: Head, words: list[bytes]) -> Head:
    """The same for this line: where syslog has no level, the text begins in its place; and behind the name of a function or a file."""
    at = place.level_word
    if place.form == SYSLOG and at < len(words) and words[at].decode("ascii", "replace") not in _LEVEL_WORDS:
        place = replace(place, level_word=-1, text_word=at)
    if place.daemon == "corosync":
        text = words[place.text_word] if place.text_word < len(words) else b""
        if _PLACE.match(text.decode("ascii", "replace") + " "):
            return replace(place, text_word=place.text_word + 1)
    elif place.daemon == "kernel" and len(words) > place.text_word and words[place.text_word].startswith(b"["):
        return replace(place, text_word=place.text_word + (1 if words[place.text_word].endswith(b"]") else 2))
    elif place.daemon.startswith("pacemaker"):
        functions = 0
        for text in words[place.text_word : place.text_word + 2]:
            if not (text.endswith(b":") and _FUNCTION.match(text.decode("ascii", "replace") + " ")):
                break
            functions += 1
        if functions:
            return replace(place, text_word=place.text_word + functions)
    return place


def _extended_at(text: str, daemon: str) -> int | None:
    """Where EXTENDED begins in a line of syslog, from which it is left out unless standard error or a tool brought the line there.

    Output of agents and XML, which are quoted, have bars of their own.
    """
    cut = text.find(" | ")
    return cut if cut > 0 and daemon.startswith("pacemaker") and "[ " not in text[:cut] and "<" not in text[:cut] else None


@dataclass(frozen=True, slots=True)
class Layout:
    """How lines with one head go on behind date and host: the text begins with the character number `text_at` of the head.

    In lines of the detail forms it ends where EXTENDED begins (`has_extended`); in those of syslog it may.
    """

    head: bytes
    text_at: int
    level: str | None
    instance: str | None
    has_extended: bool
    daemon: str

    def text(self, line: str, begin: int) -> str:
        """The text of a line whose head begins with the character number `begin`."""
        text = line[begin + self.text_at :]
        if "#011" in text:
            text = text.replace("#011", "\t")
        if self.has_extended:
            text = text.partition(" |")[0]
        elif " | " in text and self.instance is None:
            text = text[: _extended_at(text, self.daemon)]
        return text.rstrip()


_REST, _EXTENDED = " \x7f[ rest", " | more"  # with a bracket EXTENDED ends the text only where it always does
_ANY_DAY = Stamps("UTC", datetime(2026, 1, 2, tzinfo=UTC))


def layout_of(found: bytes, place: Head) -> Layout | None:
    """The layout of lines with this head, as `parse_line` shows it on an example; None where it takes `parse_line` to read each of them."""
    if not found.isascii():
        return None
    shown = found.decode()
    before = "2026-01-01T00:00:00 host" if shown.startswith(" ") else "Jan  1 00:00:00 host "
    try:
        parts = parse_line(f"{before}{shown}{_REST}{_EXTENDED}", _ANY_DAY, place.form)
    except ParseError:
        return None
    has_extended = parts.extended != ""
    behind = shown + _REST if has_extended else shown + _REST + _EXTENDED
    plain = behind.replace("#011", "\t")
    text_at = len(plain) - len(parts.text)
    is_behind = plain.endswith(parts.text) and 0 < text_at < len(shown) and behind.startswith(plain[:text_at])
    if parts.host != "host" or parts.daemon != place.daemon or not is_behind:
        return None
    return Layout(found, text_at, parts.level, parts.instance, has_extended, parts.daemon)


_MONTHS = frozenset(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
_FACILITY = re.compile(
    rb"(?:kern|user|daemon|auth|authpriv|syslog|cron|local[0-7])\.(?:emerg|alert|crit|err|error|warning|warn|notice|info|debug)$"
)


_ESCAPED = b"\\["


_SEVERITIES = tuple(f"{name}:".encode() for name in _LEVEL_NAMES)
_DAEMONS = frozenset(name.encode() for name in (*SINCE_2_0, *SINCE_2_0.values(), "pacemakerd", "corosync"))


def _is_usual(words: list[bytes], shift: int) -> bool:
    """Whether a date of the usual forms is followed by a host, and no process stands by itself after the tag; else see `forms.py`."""
    if shift:
        date = words[0]  # not a number that a tool put before it
        is_dated = (b"T" in date or b"_" in date) and (date[4:5] in (b"-", b"/") or date[8:9] == b"T")
    else:
        is_dated = (words[0] in _MONTHS or words[0].startswith(b"<")) and words[1].isdigit() and b":" in words[2]
    host = words[3 + shift]
    after_tag = words[5 + shift] if len(words) > 5 + shift else b""
    is_apart = (after_tag.startswith(b"[") and after_tag.endswith(b"]:")) or host.startswith(_ESCAPED) or after_tag.startswith(_ESCAPED)
    return is_dated and not host.endswith(b":") and not (len(host) == 4 and host.isdigit()) and not is_apart


def _is_dated(first: bytes, third: bytes) -> bool:
    """Whether words begin with a date, by the first and the third."""
    return (first in _MONTHS and b":" in third) or (first[:1].isdigit() and first[4:5] == b"-" and first[10:11] == b"T")


_ADDRESS = re.compile(rb"(?:\d{1,3}\.){3}\d{1,3}$")
_PLAIN_TAG = re.compile(rb"^([\w.+/-]+)(?:\(([^)]*)\))?(?:\[\d+\])?:$")


def head(words: list[bytes]) -> Head | None:
    """Tell the form of a line from its first words (`line.split(None, 10)`); None when no daemon can be named.

    Words, traditional date: 0 month, 1 day, 2 time, 3 host, 4 tag, ...; the other dates are one word, so that all moves by two.
    """
    if len(words) < 4:
        return None
    shift = -2 if words[0][:1].isdigit() else 0
    if not _is_usual(words, shift):
        return None
    tag = words[4 + shift] if len(words) > 4 + shift else b""
    if words[3 + shift][:1] == b"[" and len(words) > 6 + shift:  # [pid] host daemon ...
        if tag == b"corosync" or (words[5 + shift] != b"corosync" and not words[min(7 + shift, len(words) - 1)].endswith(b":")):
            return None
        if words[5 + shift] == b"corosync":
            closed = words[7 + shift].endswith(b"]") if len(words) > 7 + shift else False
            return Head("corosync", 6 + shift, (8 if closed else 9) + shift, _COROSYNC)
        return Head(current_name(words[5 + shift].rstrip(b":").decode("ascii", "replace")), 6 + shift, 8 + shift, _DETAIL_1)
    if not tag.endswith(b":"):  # daemon [pid] (function) level: text, or daemon[pid] when the name fills its column
        daemon, bracket, _ = tag.partition(b"[")
        # The stamp of another host stands behind that of a relay, or facility and severity before the tag.
        if not daemon or daemon.isdigit() or daemon in _MONTHS or _FACILITY.match(daemon):
            return None
        if len(words) > 5 + shift and words[5 + shift].startswith(_SEVERITIES) and daemon in _DAEMONS:
            return None  # the severity stands by itself
        if _ADDRESS.match(words[3 + shift]) and len(words) > 5 + shift and _PLAIN_TAG.match(words[5 + shift]):
            return None  # who sent it stands before the host
        level = (6 if bracket else 7) + shift
        return Head(current_name(daemon.decode("ascii", "replace")), level, level + 1, _DETAIL)
    match = _PLAIN_TAG.match(tag)
    if match is None:
        return None
    if len(words) > 7 + shift and match.group(2) is None and _is_dated(words[5 + shift], words[7 + shift]):
        return None  # a line of a file that was sent as the text of another program
    name = match.group(1).decode("ascii", "replace")
    if name.lower() in _LOGCONV_WORDS and len(tag) == len(name) + 1:
        return Head(LOGCONV, 4 + shift, 5 + shift, _LOGCONV)
    if name == "corosync":  # [level] [SUBSYS ] text
        level, subsystem = -1, 5 + shift
        if len(words) > subsystem and words[subsystem][:1] != b"[":
            level, subsystem = subsystem, subsystem + 1
        if len(words) > subsystem and words[subsystem][:1] != b"[":  # CMAN says some things without a subsystem
            return Head("corosync", 5 + shift, 6 + shift, SYSLOG, name)
        closed = len(words) > subsystem and words[subsystem].endswith(b"]")
        return Head("corosync", level, subsystem + (1 if closed else 2), _SYSLOG_COROSYNC)
    form = _SYSLOG_LOGCONV if name == LOGCONV else SYSLOG
    return Head(current_name(name), 5 + shift, 6 + shift, form, name, bool(match.group(2)))
