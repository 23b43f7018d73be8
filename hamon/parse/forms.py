r"""Lines in forms that are rare, made into one of the forms that `lines.py` knows: what other tools print, and what they put around a line.

Pure. A line comes here only when its first words say nothing, so that the common forms pay nothing. What is missing in a line is named:
the host is `UNKNOWN_HOST`, and a line without any time takes that of the line before.

    2026-11-22 10:52:22,123 pm01 crmd[3]: ...                       a blank between date and time; with slashes, in brackets
    Sun 2026-11-22 10:52:22 JST pm01 crmd[3]: ...                   journalctl -o short-full
    1795345942.123456 pm01 crmd[3]: ...                             journalctl -o short-unix
    {"__REALTIME_TIMESTAMP":"...","_HOSTNAME":"pm01",...}           journalctl -o json
    {"message":"Nov 22 10:52:22 pm01 crmd[3]: ...",...}             what collectors of logs make of a line; also `log`, `line`
    11月 22 10:52:22 pm01 crmd[3]: ...                              journalctl in another language
    <29>1 2026-11-22T10:52:22Z pm01 crmd 3 - - ...                  RFC 5424, written as it came
    Nov 22 10:52:22 2026 pm01 crmd[3]: ...                          a year in one of three places
    crmd[3]: 2012/11/22_10:52:22 info: func: ...                    Heartbeat's own files
    pgsql(prmPg)[9]:<TAB>Nov 22 10:52:22 ERROR: ...                  agents in Pacemaker's own log
    Nov 22 10:52:22 pm01 crmd: [3]: info: func: ...                 Heartbeat by syslog
    Nov 22 10:52:22 pm01 daemon.notice crmd[3]: ...                 facility and severity before the tag
    Nov 22 10:52:22 [3] pm01 crmd:  notice: ...                     detail of 1.1 without the function
    Nov 22 10:52:22 [3] pm01 crmd:  notice: function:Text           the same without the tab behind the function
    Nov 22 10:52:22 [3] pm01 crmd: ( lrm.c:2078  )  notice: ...     the same with the place in the source, as it is traced
    Nov 22 10:52:22 192.0.2.11 pm01 crmd[3]:  notice: ...           who sent it, before the host
    Nov 22 10:52:22 node  01 crmd[3]:  notice: ...                  a host in two words, as documents write it
    Nov 22 10:52:22 crmd[3]:  notice: ...                           no host, in all forms
    Nov 22 10:52:22 [TOTEM ] ...                                    nor a daemon, of Corosync
    crmd[3]:  notice: ...                                           no date either: that of the line before, else of the file
    pm01 crmd notice: notice: ...                                   a template of rsyslog with the severity by itself, with or without date
    Nov 22 10:52:22 pm01 crmd\\[3\\]:  notice: ...                   what Markdown escapes
    /var/log/remote/pm01/crmd.log:crmd[3]:  notice: ...             of a collector's tree: the host may be the name of the folder
    2026-11-22T10:52:23Z loghost Nov 22 10:52:22 pm01 ...           what a relay puts in front, also with a date like that of the line
    Nov 22 10:52:23 pm01 pacemaker: Nov 22 10:52:22.856 pm01 ...    the lines of a file, as rsyslog's imfile sends them
    /var/log/messages-20261122:17:Nov 22 10:52:22 pm01 ...          what grep, ansible, docker, pdsh, cat -n, lists put in front
"""

import json
import re
from datetime import UTC, datetime

from hamon.parse.lines import FUNCTION_NAME
from hamon.parse.syslog import as_line

UNKNOWN_HOST = "?"
"""Stands where a line names no host."""

_ZONES = {"UTC": "Z", "GMT": "Z", "Z": "Z", "JST": "+09:00", "KST": "+09:00", "CET": "+01:00", "CEST": "+02:00", "BST": "+01:00"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?:{'|'.join(_MONTHS)})"
_TRADITIONAL = rf"{_MONTH}\s+\d{{1,2}}\s+\d\d:\d\d:\d\d(?:\.\d+)?"
_DATE = rf"(?:{_TRADITIONAL}|\d{{4}}-\d\d-\d\dT\S+|\d{{4}}/\d\d/\d\d_\d\d:\d\d:\d\d)"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_AROUND = re.compile(
    r"^(?:(?:[\w./@+-]+[:|-]\s*|[\w./@+-]+\s+\|\s+|\[[\w./-]+\]\s+){1,3}"
    rf"|\s*(?!1 \d{{4}}-)\d+[.)]?\s+|(?:<\d{{1,3}}>)?{_TRADITIONAL} [\w.:-]+ "
    r"|\d{4}-\d\d-\d\dT\S+ (?:[\w.-]+ )?|\s+|[>#|\u2460-\u2473]+\s*|\s*[*\u2022-]\s+|\")"
    rf"(?=(?:<\d{{1,3}}>)?(?:1 )?(?:{_DATE}|\d{{4}}-\d\d-\d\d \d\d:|[A-Z][a-z]{{2}} \d{{4}}-\d\d-\d\d ))"
)
# rsyslog's imfile and the like send the lines of a file as the text of a program of their own.
_WRAPPED = re.compile(rf"^(?:<\d{{1,3}}>)?{_DATE} \S+ [\w.@/-]+(?:\[\d+\])?:\s+(?={_DATE} )")
# `journalctl` writes months as the terminal's language does.
_LOCAL_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "1月 1월 januar janv. ene gen",
            "2月 2월 févr. fev",
            "3月 3월 mär märz mrz mars",
            "4月 4월 abr avril",
            "5月 5월 mai mag",
            "6月 6월 juin giu",
            "7月 7월 juil. lug",
            "8月 8월 août ago",
            "9月 9월 sept. set",
            "10月 10월 okt out ott oct.",
            "11月 11월 nov.",
            "12月 12월 dez dic déc.",
        ),
        1,
    )
    for name in names.split()
} | {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_LOCAL_DATE = re.compile(r"^\s*(?P<month>[^\W_]{2,7}\.?)\s+(?P<day>\d{1,2})\.? (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?)(?= )")
_BLANK_BETWEEN = re.compile(
    r"^\[?(?:[A-Z][a-z]{2} )?(?P<day>\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d)[ T](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))?"
    r"(?: ?(?P<zone>[A-Z]{1,5}|[+-]\d\d:?\d\d))?\]?(?= )"
)
_EPOCH = re.compile(r"^(?P<epoch>\d{9,10}\.\d{3,6}) (?=\S)")
_YEAR = re.compile(
    rf"^(?:[A-Z][a-z]{{2}} )?(?:(?P<y1>\d{{4}}) (?P<d1>{_TRADITIONAL})"
    rf"|(?P<d2>{_MONTH}\s+\d{{1,2}})\s+(?P<y2>\d{{4}})\s+(?P<t2>\d\d:\d\d:\d\d(?:\.\d+)?)"
    rf"|(?P<d3>{_TRADITIONAL}) (?P<y3>(?:19|20)\d\d))(?= )"
)
_HEARTBEAT = re.compile(r"^(?P<daemon>[\w-]+)(?:\[(?P<pid>\d+)\])?: (?P<date>\d{4}/\d\d/\d\d_\d\d:\d\d:\d\d) (?P<rest>.*)$", re.DOTALL)
_AGENT = re.compile(rf"^(?P<tag>[\w.-]+\([\w:.-]+\)(?:\[\d+\])?:)\s+(?P<date>{_DATE})\s+(?P<rest>[A-Z]+: .*)$", re.DOTALL)
_DAEMON = (
    r"(?:pacemaker-[a-z]+|pacemakerd|crmd|pengine|attrd|stonith-ng|stonithd|cib|lrmd|pacemaker_remoted|corosync|heartbeat|ccm|ipfail|diskd"
    r"|ifcheckd|[\w.-]+\([\w:.-]+\))"
)
_SEVERITY = r"(?:emerg|alert|crit|err|error|warning|warn|notice|info|debug)"
# The level that the daemon writes itself, or the subsystem of Corosync, tells it from a sentence about a daemon.
_SEVERITY_APART = rf"{_DAEMON}(?:\[\d+\])? {_SEVERITY}: +(?:{_SEVERITY}:|[A-Z]+:|\[\w+ *\])"
_SEVERITY_BEHIND = re.compile(rf"^(?P<head>{_DATE} \S+ {_DAEMON}(?:\[\d+\])?) {_SEVERITY}: +(?P<rest>.*)$", re.DOTALL)
_DETAIL_WITHOUT_FUNCTION = re.compile(
    rf"^(?P<date>{_DATE}) \[(?P<pid>\d+)\] (?P<host>\S+)\s+(?P<daemon>{_DAEMON}):\s+(?P<rest>[a-z]+:\s+(?!\w+:\s).*)$", re.DOTALL
)
# The tab behind the function is lost. What follows begins with a capital letter; `prm_a:0` is an instance of a clone.
_DETAIL_GLUED = re.compile(rf"^{_DATE} \[\d+\] \S+\s+{_DAEMON}:\s+[a-z]+:\s+{FUNCTION_NAME}(?=[A-Z])")
# With tracing, 1.1 writes the place in its source before the level, and 2 behind the function, in the same brackets.
_TRACED = re.compile(rf"^(?P<head>{_DATE} \[\d+\] \S+\s+{_DAEMON}:)\s+\(\s*[\w-]+\.c:\d+\s[^)]*\)(?P<rest>\s+[a-z]+:\s.*)$", re.DOTALL)
_FACILITY = re.compile(
    rf"^(?P<head>{_DATE} \S+) (?:kern|user|daemon|auth|authpriv|syslog|cron|local[0-7])"
    r"\.(?:emerg|alert|crit|err|error|warning|warn|notice|info|debug) (?P<rest>.*)$",
    re.DOTALL,
)
_HOST_IN_TWO = re.compile(
    rf"^(?P<date>{_DATE}) +(?P<host>[A-Za-z-]+) +(?P<number>\d{{1,3}}) +(?P<rest>{_DAEMON}(?:\[\d+\])?: .*)$", re.DOTALL
)
_ADDRESS_FIRST = re.compile(
    rf"^(?P<date>{_DATE}) (?:\d{{1,3}}\.){{3}}\d{{1,3}} (?P<rest>[A-Za-z][\w.-]* +{_DAEMON}(?:\[\d+\])?: .*)$", re.DOTALL
)
_PROCESS_APART = re.compile(rf"^(?P<head>{_DATE} \S+ {_DAEMON}): (?P<pid>\[\d+\]): (?P<rest>.*)$", re.DOTALL)
_NO_HOST = (
    re.compile(rf"^(?P<date>{_DATE}) +(?P<rest>{_DAEMON}(?:\[\d+\])?: .*)$", re.DOTALL),
    re.compile(rf"^(?P<date>{_DATE}) +(?P<rest>corosync(?:\[\d+\])?:? +(?:[a-z]+ +)?\[\w+ *\] .*)$", re.DOTALL),
    re.compile(rf"^(?P<date>{_DATE}) +(?P<rest>{_DAEMON} *\[\d+\] +\([^)]*\)\s*[a-z]+:\s.*)$", re.DOTALL),
)
_NO_HOST_COROSYNC = re.compile(rf"^(?P<date>{_DATE}) +(?P<pid>\[\d+\]) +(?P<rest>corosync +[a-z]+ +\[\w+ *\] .*)$", re.DOTALL)
_NO_DATE = re.compile(
    rf"^(?:(?P<host>[\w.-]+) )?(?P<rest>{_DAEMON}(?:\[\d+\])?: .*|{_SEVERITY_APART}.*|corosync(?:\[\d+\])?:? +(?:[a-z]+ +)?\[\w+ *\] .*)$",
    re.DOTALL,
)
_PROCESS_FIRST = re.compile(rf"^(?:[\w.-]+ )?(?:{_DAEMON}(?:\[\d+\]:|: \[\d+\]:) |{_SEVERITY_APART} )")
_ESCAPED = re.compile(r"\\([\[\]_*<>(){}#\"'`~|!.+-])")
_PATH = re.compile(r"^(?P<path>/?(?:[\w.@+-]+/)+[\w.@+-]+)(?:[:-]\d+)?[:-]\s*")
# `/var/log/HOST/PROGRAM.log` and the like, as collectors of logs lay out what they get.
_TREE = re.compile(
    r"(?:^|/)(?:remote|hosts?|nodes|rsyslog|syslog|logs?)/(?!(?:pacemaker|corosync|cluster|heartbeat|remote|hosts?|nodes)/)"
    rf"(?P<host>[A-Za-z][\w.-]*)/(?:{_DAEMON}|pacemaker|messages|syslog|ha-log)\b[\w.-]*[:-]"
)
_SUBSYSTEM = r"(?:[a-z]+ +)?\[(?:TOTEM|KNET|MAIN|QUORUM|CPG|SERV|VOTEQ|QB|CFG|WD) *\] "
_COROSYNC_ALONE = re.compile(rf"^{_SUBSYSTEM}", re.DOTALL)
_COROSYNC_DATED = re.compile(rf"^(?P<date>{_DATE}) +(?P<rest>{_SUBSYSTEM}.*)$", re.DOTALL)
_ANY_DATE = re.compile(rf"^(?:<\d{{1,3}}>)?(?P<date>{_DATE})\s")
_ANY_HOST = re.compile(rf"^(?:<\d{{1,3}}>)?{_DATE}\s+(?:\[\d+\]\s+)?(?P<host>[\w.-]+)\s+[\w./-]+(?:\([^)]*\))?[:\s\[]")
_NOWHERE = datetime(1970, 1, 1, tzinfo=UTC)


def date_of(line: str) -> str | None:
    """The stamp at the begin of a line, for the lines after it that have none."""
    found = _ANY_DATE.match(line)
    return found["date"] if found is not None else None


def host_of(line: str) -> str | None:
    """The host of a line in one of the usual forms."""
    found = _ANY_HOST.match(line)
    return found["host"] if found is not None else None


def lacks_host(line: str) -> bool:
    """Whether it is a line that an agent wrote into the log of its own node, where the other lines name the host."""
    return _AGENT.match(line) is not None


def is_dateless(line: str) -> bool:
    """Whether a line of the cluster begins with its process, so that it may be believed to be a log's without any date near it."""
    return _PROCESS_FIRST.match(_bare(line)[0]) is not None


def _bare(text: str) -> tuple[str, str | None]:
    """A line without what Markdown escapes and the path before what begins with its process, and the host that the path names."""
    if "\\[" in text:
        text = _ESCAPED.sub(r"\1", text)
    if (found := _PATH.match(text)) is None:
        return text, None
    tree = _TREE.search(found[0])
    rest = text[found.end() :]
    is_all = _NO_DATE.match(rest) is not None or _COROSYNC_ALONE.match(rest) is not None
    return rest if is_all else text, tree["host"] if tree is not None else None


def rewritten(line: str, date: str | None = None) -> str | None:
    """The line in a form that `lines.py` knows; None when it is none of the rare forms. `date` is the stamp of the line before.

    >>> rewritten("ha-log-20261122:17:Nov 22 10:52:22 pm01 crmd[3]:  notice: text")
    'Nov 22 10:52:22 pm01 crmd[3]:  notice: text'
    >>> rewritten("crmd[3]: notice: text", "Nov 22 10:52:22")
    'Nov 22 10:52:22 ? crmd[3]: notice: text'
    """
    text = _ESCAPES.sub("", line) if "\x1b" in line else line
    text = text.rstrip("\r")
    if text.startswith("{"):
        return _journal(text)
    text, host = _bare(text)
    if (found := _LOCAL_DATE.match(text)) is not None and (number := _LOCAL_MONTHS.get(found["month"].lower())) is not None:
        text = f"{_MONTHS[number - 1]} {found['day']:>2} {found['time']}{text[found.end() :]}"
    around = _AROUND.match(text)
    if around is not None and not _HEARTBEAT.match(text):
        text = text[around.end() :]
        if around[0] == '"':
            text = text.removesuffix('"').replace('""', '"')
    text = _with_plain_date(text)
    if (found := _WRAPPED.match(text)) is not None:
        text = text[found.end() :]
    form = _with_host(text)
    if form is None and date is not None:
        form = _with_date(text, date)
    if form is not None:
        return form.replace(f" {UNKNOWN_HOST} ", f" {host} ", 1) if host is not None else form
    return text if text != line else None


def _with_plain_date(text: str) -> str:
    """Dates that other tools write, as ISO 8601."""
    if (found := _BLANK_BETWEEN.match(text)) is not None:
        fraction = f".{found['fraction'][:6]}" if found["fraction"] else ""
        zone = found["zone"] or ""
        zone = _ZONES.get(zone, zone if zone[:1] in "+-" else "")
        return f"{found['day'].replace('/', '-')}T{found['time']}{fraction}{zone}{text[found.end() :]}"
    if (found := _EPOCH.match(text)) is not None:
        at = datetime.fromtimestamp(float(found["epoch"]), UTC)
        return f"{at.isoformat(timespec='microseconds')} {text[found.end() :]}"
    if (found := _YEAR.match(text)) is not None:
        year = found["y1"] or found["y2"] or found["y3"]
        stamp = found["d1"] or found["d3"] or f"{found['d2']} {found['t2']}"
        month, day, time = stamp.split()
        at = datetime.strptime(f"{year} {month} {day}", "%Y %b %d")  # noqa: DTZ007 - only the day is wanted
        return f"{at:%Y-%m-%d}T{time}{text[found.end() :]}"
    if re.match(r"^(?:<\d{1,3}>)?1 \d{4}-\d\d-\d\dT", text):
        message = text if text.startswith("<") else f"<13>{text}"
        return as_line(message.encode("utf-8", "surrogateescape"), _NOWHERE, UNKNOWN_HOST).text.decode("utf-8", "surrogateescape")
    return text


def _with_host(text: str) -> str | None:
    if (found := _HEARTBEAT.match(text)) is not None:
        pid = f"[{found['pid']}]" if found["pid"] else ""
        return f"{found['date']} {UNKNOWN_HOST} {found['daemon']}{pid}: {found['rest']}"
    if (found := _AGENT.match(text)) is not None:
        return f"{found['date']} {UNKNOWN_HOST} {found['tag']} {found['rest']}"
    if (found := _FACILITY.match(text)) is not None:
        return f"{found['head']} {found['rest']}"
    if (found := _SEVERITY_BEHIND.match(text)) is not None:
        return f"{found['head']}: {found['rest']}"
    if (found := _HOST_IN_TWO.match(text)) is not None:
        return f"{found['date']} {found['host']}{found['number']} {found['rest']}"
    if (found := _ADDRESS_FIRST.match(text)) is not None:
        return f"{found['date']} {found['rest']}"
    if (found := _PROCESS_APART.match(text)) is not None:
        return f"{found['head']}{found['pid']}: {found['rest']}"
    if (found := _TRACED.match(text)) is not None:
        return f"{found['head']}{found['rest']}"
    if (found := _DETAIL_GLUED.match(text)) is not None:
        return f"{found[0]}\t{text[found.end() :]}"
    if (found := _DETAIL_WITHOUT_FUNCTION.match(text)) is not None:
        return f"{found['date']} {found['host']} {found['daemon']}[{found['pid']}]: {found['rest']}"
    for form in _NO_HOST:
        if (found := form.match(text)) is not None:
            return f"{found['date']} {UNKNOWN_HOST} {_colon(found['rest'])}"
    if (found := _NO_HOST_COROSYNC.match(text)) is not None:
        return f"{found['date']} {found['pid']} {UNKNOWN_HOST} {found['rest']}"
    if (found := _COROSYNC_DATED.match(text)) is not None:
        return f"{found['date']} {UNKNOWN_HOST} corosync: {found['rest']}"
    return None


def _with_date(text: str, date: str) -> str | None:
    if (found := _NO_DATE.match(text)) is not None:
        dated = f"{date} {found['host'] or UNKNOWN_HOST} {_colon(found['rest'])}"
        return _with_host(dated) or dated
    if _COROSYNC_ALONE.match(text) is not None:
        return f"{date} {UNKNOWN_HOST} corosync: {text}"
    return None


def _colon(rest: str) -> str:
    """`corosync [TOTEM ] text`, without a colon, is Corosync 1's own file."""
    return re.sub(r"^(corosync(?:\[\d+\])?) +(?!\w+:)", r"\1: ", rest)


def _journal(text: str) -> str | None:
    """A line of `journalctl -o json`."""
    try:
        entry = json.loads(text)
        if isinstance(inner := entry.get("message", entry.get("log", entry.get("line"))), str):
            inner = inner.rstrip("\n").replace("\n", "#012")
            return rewritten(inner) or inner
        micro = int(entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"])
        message = entry["MESSAGE"]
        if isinstance(message, list):  # bytes that are no text
            message = bytes(message).decode("utf-8", "replace")
        at = datetime.fromtimestamp(micro / 1e6, UTC)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
        return None
    daemon = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "unknown"
    pid = entry.get("SYSLOG_PID") or entry.get("_PID")
    one_line = str(message).replace("\n", "#012")
    return (
        f"{at.isoformat(timespec='microseconds')} {entry.get('_HOSTNAME') or UNKNOWN_HOST} {daemon}{f'[{pid}]' if pid else ''}: {one_line}"
    )
