"""`hamon check` and `hamon status`: how clusters are, at a glance, from the running gateway or from one command's XML.

It starts fast, as monitoring runs it every minute for each cluster: what `run` needs is not loaded. Whatever goes wrong is an answer too:
one line, and the exit status for unknown.
"""

import argparse
import json
import os
import shutil
import sys
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from hamon import tell
from hamon.classify.services import find
from hamon.cli.options import Commands, language_option
from hamon.clock import SystemClock
from hamon.errors import HamonError, ParseError
from hamon.expose.cluster import Facts
from hamon.expose.verdict import Level, Verdict, verdict
from hamon.model.cluster import ClusterStatus, ClusterView
from hamon.model.observation import Polled, Snapshot
from hamon.parse import crm_mon

URL = "http://127.0.0.1:8470"
MOST_BYTES = 64 * 1024 * 1024
UNKNOWN = Level.UNKNOWN.code


class Unknown(HamonError):
    """There is no answer; the text says why, in the language that was asked for."""


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    check = commands.add_parser(
        "check",
        help="say whether a cluster is well, as a monitoring plug-in",
        description="Plug-in for Nagios, Icinga, Checkmk and Zabbix: one line, performance data, exit status 0 OK, 1 WARNING, 2 CRITICAL, "
        "3 UNKNOWN. Asks the running gateway; with --file or a COMMAND the XML of crm_mon, without a gateway.",
    )
    check.add_argument("--cluster", required=True, metavar="NAME", help="name of the cluster")
    check.add_argument("--url", default=None, metavar="URL", help=f"address of the gateway (default {URL})")
    check.add_argument("--file", type=Path, metavar="XML", help="what crm_mon printed, instead of the gateway; - reads standard input")
    _common(check)
    check.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="-- COMMAND...", help="a command that ends with crm_mon or prints its XML"
    )
    check.set_defaults(command=_check)
    status = commands.add_parser(
        "status",
        help="show the clusters at a glance",
        description="Every cluster of the running gateway on a line: level, nodes, services, and what is wrong.",
    )
    status.add_argument("--cluster", metavar="NAME", help="only this one")
    status.add_argument("--url", default=None, metavar="URL", help=f"address of the gateway (default {URL})")
    status.add_argument("--watch", action="store_true", help="show it anew every two seconds, until Ctrl-C")
    status.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default text)")
    _common(status)
    status.set_defaults(command=_status)


def _common(parser: argparse.ArgumentParser) -> None:
    language_option(parser)
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="how long an answer is waited for (default 10)")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError("must be above 0 and at most 600")
    return value


# --- the plug-in


def _check(options: argparse.Namespace) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    level = tell.phrase("check.level.unknown", options.lang)
    try:
        if options.file is not None or words:
            found = _direct(options, words)
            line, code = found.line(options.lang), found.level.code
        else:
            [check] = ask(options.url or URL, options.cluster, options.lang, options.timeout)["checks"]
            line, code = check["line"], check["code"]
    except Unknown as err:
        line, code = f"{level} - {options.cluster}: {str(err).replace('|', '/')}", UNKNOWN
    print(line)
    return int(code)


def _direct(options: argparse.Namespace, words: Sequence[str]) -> Verdict:
    """Judge one answer of crm_mon."""
    now = SystemClock().now()
    status = _of_file(options, now) if options.file is not None else _of_command(options, words)
    snapshot = Snapshot(cluster=options.cluster, collector="check", status=status, digest="", received_at=status.at)
    view = ClusterView(name=options.cluster, title=options.cluster)
    facts = Facts(view=view, polled=Polled(cluster=options.cluster, snapshot=snapshot, since=status.at), services=find(status))
    return verdict(facts, SystemClock().now())


def _of_file(options: argparse.Namespace, now: datetime) -> ClusterStatus:
    try:
        if str(options.file) == "-":
            data = sys.stdin.buffer.read(MOST_BYTES)
        else:
            with options.file.open("rb") as file:
                data = file.read(MOST_BYTES)
    except OSError as err:
        raise Unknown(tell.phrase("check.no_file", options.lang, path=str(options.file), why=err.strerror or str(err))) from err
    try:
        return crm_mon.parse(data, at=now)
    except ParseError as err:
        raise Unknown(tell.phrase("check.no_state", options.lang, why=str(err))) from err


def _of_command(options: argparse.Namespace, words: Sequence[str]) -> ClusterStatus:
    from pydantic import ValidationError

    from hamon.collect.asked_node import AskedNode
    from hamon.collect.child import Cancel
    from hamon.collect.crm_mon_config import CrmMonConfig
    from hamon.collect.faults import Refused

    cancel = Cancel()
    try:
        config = CrmMonConfig(cluster=options.cluster, commands={"node": tuple(words)}, timeout_seconds=options.timeout)
        return AskedNode("node", tuple(words), config).ask(cancel, None, SystemClock().now).status
    except ValidationError as err:
        raise Unknown(tell.phrase("check.no_state", options.lang, why=err.errors()[0]["msg"])) from err
    except Refused as err:
        raise Unknown(tell.phrase("check.no_state", options.lang, why=str(err))) from err
    finally:
        cancel.close()


# --- asking the gateway


def ask(url: str, cluster: str | None, language: str, timeout: float) -> Any:
    """What /api/v1/checks answers. Raises Unknown."""
    asked = {"lang": language} | ({"cluster": cluster} if cluster is not None else {})
    address = f"{url.rstrip('/')}/api/v1/checks?{urllib.parse.urlencode(asked)}"
    shown = _shown(url)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("the address begins with http:// or https://")
        with opener.open(urllib.request.Request(address, headers={"Accept": "application/json"}), timeout=timeout) as answer:
            found = json.loads(_read(answer))
    except urllib.error.HTTPError as err:
        with err:
            raise _refused(err, shown, cluster, language) from err
    except (OSError, ValueError) as err:
        reason = err.reason if isinstance(err, urllib.error.URLError) else err
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise Unknown(tell.phrase("check.no_answer", language, url=shown, why=tell.clean(why, 200))) from err
    if not isinstance(found, dict) or not isinstance(found.get("checks"), list):
        raise Unknown(tell.phrase("check.no_answer", language, url=shown, why="not hamon"))
    return found


def _read(answer: IO[bytes]) -> bytes:
    return answer.read(MOST_BYTES)


def _refused(err: urllib.error.HTTPError, url: str, cluster: str | None, language: str) -> Unknown:
    try:
        detail = json.loads(err.read(65536)).get("detail") or str(err)
    except (OSError, ValueError, AttributeError):
        detail = str(err)
    if err.code == 404 and cluster is not None and "cluster of this name" in detail:
        names = detail.partition("there are: ")[2].rstrip(".")
        return Unknown(tell.phrase("check.no_cluster", language, url=url, cluster=cluster, names=names))
    return Unknown(tell.phrase("check.refused", language, url=url, why=tell.clean(detail, 200)))


def _shown(url: str) -> str:
    """The address without what may be a password in it."""
    try:
        parts = urllib.parse.urlsplit(url)
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", "")) if parts.netloc else tell.clean(url, 60)
    except ValueError:
        return "?"


# --- at a glance


def _status(options: argparse.Namespace) -> int:
    watching = options.watch and options.format == "text"
    while True:
        try:
            found = ask(options.url or URL, options.cluster, options.lang, options.timeout)
        except Unknown as err:
            text, code = str(err), UNKNOWN
        else:
            code = max((check["code"] for check in found["checks"]), key=lambda code: _RANK[code], default=0)
            text = json.dumps(found, ensure_ascii=False, indent=1) if options.format == "json" else table(found, options.lang, _look())
        if watching:
            # Cursor home and the rest of each line, then of the screen, erased: nothing flickers.
            sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in text.splitlines()) + "\x1b[J")
            sys.stdout.flush()
            time.sleep(2)
            continue
        if options.watch:
            print(text, flush=True)
            time.sleep(2)
            continue
        print(text, file=sys.stderr if code == UNKNOWN and options.format == "text" and not text.count("\n") else sys.stdout)
        return code


_RANK = {level.code: level.rank for level in Level}
_COLOURS = {"ok": "32", "warning": "33", "critical": "31;1", "unknown": "35;1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    width: int = 100
    coloured: bool = False


def _look() -> Look:
    terminal = sys.stdout.isatty()
    return Look(width=shutil.get_terminal_size((100, 24)).columns if terminal else 160, coloured=terminal and "NO_COLOR" not in os.environ)


def table(found: Mapping[str, Any], language: str, look: Look) -> str:
    """The clusters as lines, the worst first."""
    checks = sorted(found["checks"], key=lambda check: (-_RANK[check["code"]], check["cluster"]))
    heads = [tell.phrase(f"check.{key}", language) for key in ("level_head", "cluster", "nodes", "services", "wrong")]
    rows = [
        [
            tell.phrase(f"check.level.{check['level']}", language),
            tell.clean(check["cluster"], 40),
            _nodes(check["nodes"]),
            _services(check["services"], language),
            "" if check["level"] == "ok" else check["summary"],
        ]
        for check in checks
    ]
    widths = [max(width_of(row[place]) for row in [heads, *rows]) for place in range(4)]
    widths[3] = min(widths[3], max(12, look.width // 3))
    at = datetime.fromisoformat(found["at"]).astimezone(UTC)
    lines = [tell.phrase("check.title", language, count=str(len(checks)), at=f"{at:%Y-%m-%d %H:%M:%S} UTC"), ""]
    lines.append(_line(heads, widths, look.width))
    for check, row in zip(checks, rows, strict=True):
        line = _line(row, widths, look.width)
        if look.coloured:
            line = f"\x1b[{_COLOURS[check['level']]}m{line[: len(row[0])]}\x1b[0m{line[len(row[0]) :]}"
        lines.append(line)
    return "\n".join(lines)


def _nodes(nodes: Mapping[str, str]) -> str:
    return f"{sum(state == 'online' for state in nodes.values())}/{len(nodes)}"


def _services(services: Sequence[Mapping[str, Any]], language: str) -> str:
    texts = [f"{tell.clean(one['name'], 30)}: {', '.join(one['active']) or '-'}" for one in services]
    return tell.phrase("check.separator", language).join(texts)


def _line(cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    """Columns side by side; the last takes what is left of the line."""
    text = "".join(_padded(cell, size) + "  " for cell, size in zip(cells, widths, strict=False))
    room = max(20, width - sum(widths) - 2 * len(widths))
    return (text + _cut(cells[-1], room)).rstrip()


def _padded(text: str, width: int) -> str:
    text = _cut(text, width)
    return text + " " * (width - width_of(text))


def _cut(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    while width_of(text) > width - 1:
        text = text[:-1]
    return text + "…"


def width_of(text: str) -> int:
    """Columns in a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
