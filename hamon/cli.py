"""The command line."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hamon import __version__, config, data, glance
from hamon import log as logs
from hamon.app import Gateway, bind, outlets_of, rules_of
from hamon.classify.match import answer
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.clock import SystemClock
from hamon.collect.log_tail_config import LogTailConfig, StartAt
from hamon.errors import ConfigError, DeliveryError, HamonError
from hamon.expose.state import as_text, state
from hamon.model.delivery import Notification
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Severity, Transition, TransitionKind
from hamon.model.observation import Polled, Source
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.pipeline.process import amiss_in
from hamon.ports import IncidentFilter
from hamon.rules.check import check, check_traps
from hamon.rules.load import load
from hamon.snmp.identity import bump
from hamon.snmp.local import beside
from hamon.snmp.mib import with_root
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.tell.document import Subject
from hamon.web.api import state_answer
from hamon.web.report import subject_of, written
from hamon.web.settings import parse_listen

if TYPE_CHECKING:
    from hamon import analyze

OK, WRONG, REFUSED = 0, 2, 1
MISSING = 6
"""What pm_logconv answers when its configuration does not exist."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 refused or found wrong, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as err:
        if options.command is _run and config.log_form(options.config, os.environ) == "json":
            _refuse(err)
            return WRONG
        _complain(f"the configuration has {len(err.problems)} problem(s):", *[str(problem) for problem in err.problems])
        return WRONG
    except HamonError as err:
        if logs.is_json():
            logging.getLogger(__name__).error("refused", extra={"reason": str(err)})
        else:
            _complain(str(err))
        return REFUSED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _refuse(err: ConfigError) -> None:
    """As records of the log, where a machine reads it."""
    logs.start("info", "json")
    for problem in err.problems:
        facts = {"problem": problem.id, "key": problem.key, "reason": problem.message, "hint": problem.hint}
        logging.getLogger(__name__).error("configuration", extra=facts)


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"hamon: {line}" if line is lines[0] else f"  {line}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hamon",
        description="Watch Pacemaker/Corosync clusters and tell people what happened, in words they can act on.",
        epilog="hamon only reads: it never changes a cluster. Start with `hamon demo`, then `hamon config sample`.",
    )
    parser.add_argument("--version", action="version", version=f"hamon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="watch the configured clusters", description="Watch the configured clusters until stopped.")
    _config_option(run)
    run.set_defaults(command=_run)

    show = commands.add_parser(
        "demo",
        help="see hamon at work on a recorded cluster",
        description="Play the recording of a real cluster into real log files, and watch it: pages, mail and metrics.",
    )
    show.add_argument("--speed", type=_positive, default=4.0, metavar="N", help="times the recording's own pace (default 4)")
    show.add_argument(
        "--listen", type=_address, default="127.0.0.1:8470", metavar="HOST:PORT", help="address of the pages (default 127.0.0.1:8470)"
    )
    show.add_argument(
        "--recording", type=Path, metavar="FOLDER", help="another recording: a folder with NODE/pacemaker.log and NODE/corosync.log"
    )
    show.set_defaults(command=_demo)

    analysis = commands.add_parser(
        "analyze",
        help="say what happened, from recorded logs, traps and polls",
        description="Read recorded evidence and say what happened. Paths may be logs (also .gz .bz2 .xz), captures of traps, answers of"
        " crm_mon, folders or tarballs.",
    )
    analysis.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    analysis.add_argument("--sources", default="log,trap,poll", metavar="KINDS", help="kinds of evidence to use (default log,trap,poll)")
    analysis.add_argument("--cluster", metavar="NAME", help="name of the cluster in the answer")
    analysis.add_argument("--timezone", default="UTC", type=_zone, metavar="ZONE", help="zone of stamps that have none (default UTC)")
    analysis.add_argument("--year", type=int, help="year of stamps that have none (default: from the evidence)")
    analysis.add_argument("--lang", choices=("en", "ja"), default="en", help="language of the answer (default en)")
    analysis.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default text)")
    analysis.add_argument("--report", type=_report_file, metavar="FILE", help="also write an incident report: .md (Markdown) or .html")
    analysis.add_argument("--config", type=Path, metavar="FILE", help="configuration whose services and rules are used (with --cluster)")
    analysis.add_argument(
        "--collector",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="read PATH as [collect.log_tail.NAME] of the configuration does",
    )
    analysis.set_defaults(command=_analyze, wrong_use=analysis.error)

    conversion = commands.add_parser(
        "logconv",
        help="write pm_logconv.out from the logs of any Pacemaker",
        description="Convert native logs to the messages of pm_logconv, for log monitors that know these. With LOG: these files, once, to "
        "standard output. Without: the log that the configuration names, to the file that it names, once or with --follow as it grows.",
    )
    conversion.add_argument("logs", nargs="*", type=Path, metavar="LOG", help="logs to convert once, plain or compressed, in this order")
    conversion.add_argument("--follow", action="store_true", help="go on as the log grows, until stopped")
    conversion.add_argument(
        "--config", type=Path, metavar="FILE", help="pm_logconv's configuration (default /etc/pm_logconv.conf where it exists)"
    )
    conversion.add_argument(
        "--act-rsc", metavar="IDS", help="primitives of the service, separated by commas, instead of the configured act_rsc"
    )
    conversion.add_argument("--output", metavar="FILE", help="write to this file, or to standard output (-)")
    conversion.add_argument(
        "--status",
        type=Path,
        default=Path("/var/lib/hamon/logconv.status"),
        metavar="FILE",
        help="where --follow remembers its place (default %(default)s)",
    )
    conversion.add_argument(
        "--from-beginning", action="store_true", help="begin a log that was never followed at its beginning, not its end"
    )
    conversion.add_argument(
        "--timezone", type=_zone, metavar="ZONE", help="zone of stamps without one, and of the output (default: this machine's)"
    )
    conversion.add_argument("--year", type=int, help="year of stamps that have none (default: that of the file)")
    conversion.set_defaults(command=_logconv)

    shown = commands.add_parser(
        "state",
        help="show the state of a cluster, now or at any past time",
        description="Show the state of clusters as polling found it: nodes, services, resources, failed actions and more.",
    )
    shown.add_argument("--cluster", metavar="NAME", help="which cluster (default: all)")
    shown.add_argument("--at", metavar="TIME", help='such as "2026-11-22 03:12", in the zone of the pages, or with a zone (default: now)')
    shown.add_argument("--lang", choices=("en", "ja"), default="en", help="language of the answer (default en)")
    shown.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default text)")
    _config_option(shown)
    shown.set_defaults(command=_state)

    reporting = commands.add_parser(
        "report",
        help="write the report of an incident from the history, to hand on",
        description="Write an incident of the history as a document: cause, timeline with its gaps explained, downtime, next steps. "
        "It only reads the history, also while hamon runs.",
    )
    reporting.add_argument("key", metavar="KEY", help="key of the incident, as its page and its messages give it")
    reporting.add_argument("--cluster", metavar="NAME", help="which cluster (default: the only one that has this key)")
    reporting.add_argument(
        "--language", "--lang", dest="lang", choices=("en", "ja"), default="en", help="language of the report (default en)"
    )
    reporting.add_argument(
        "--output",
        type=_report_file,
        metavar="FILE",
        help="the file: FILE.md for Markdown, FILE.html for one printable page (default: Markdown on standard output)",
    )
    _config_option(reporting)
    reporting.set_defaults(command=_report)

    glance.add_parsers(commands)

    conf = commands.add_parser("config", help="check the configuration, or print a sample").add_subparsers(metavar="COMMAND", required=True)
    checking = conf.add_parser("check", help="name all problems, with key and remedy; opens no connection")
    _config_option(checking)
    checking.set_defaults(command=_config_check)
    sample = conf.add_parser("sample", help="print a configuration with every option, its meaning and its default")
    sample.set_defaults(command=_config_sample)

    rules = commands.add_parser("rules", help="check the rules").add_subparsers(metavar="COMMAND", required=True)
    rule_check = rules.add_parser("check", help="run the examples and counter-examples of all rules")
    rule_check.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders with rules of your own, tried before hamon's")
    rule_check.set_defaults(command=_rules_check)
    explaining = rules.add_parser(
        "explain",
        help="say which rules a line or trap meets, which one takes it, and why others do not",
        description="Say what hamon makes of log lines or traps, and why. A trap is given as its datagram in hexadecimal digits, or as "
        'JSON with "t", "src" and "hex". Exit status 0: a rule took every one of them; 1: at least one was taken by none.',
    )
    explaining.add_argument("lines", nargs="*", metavar="LINE", help="a line of a log, or a trap; - reads them from standard input")
    explaining.add_argument("--file", type=Path, action="append", default=[], metavar="FILE", help="a file of them, plain or compressed")
    explaining.add_argument("--daemon", metavar="NAME", help="LINE is the text alone, and this daemon or agent wrote it")
    explaining.add_argument("--collector", metavar="NAME", help="LINE is read as [collect.log_tail.NAME] of the configuration reads it")
    explaining.add_argument("--rule", action="append", default=[], metavar="ID", help="also say why this rule does not take it")
    explaining.add_argument("--all", action="store_true", help="name every rule that was tried")
    _rule_options(explaining)
    explaining.add_argument("--timezone", default="UTC", type=_zone, metavar="ZONE", help="zone of stamps that have none (default UTC)")
    explaining.add_argument("--year", type=int, help="year of stamps that have none (default: the one that is nearest)")
    explaining.add_argument("--format", choices=("text", "json"), default="text", help="text, or one object of JSON a line (default text)")
    explaining.set_defaults(command=_rules_explain)
    testing = rules.add_parser(
        "test",
        help="run cases of evidence, and compare what becomes of it",
        description="Run cases: evidence in, incidents and events out. A case is a TOML file, or a folder with case.toml and its evidence. "
        "Exit status 0: all as they say; 1: some are not; 2: wrong usage, or no case found.",
    )
    testing.add_argument("cases", nargs="+", type=Path, metavar="DIR", help="folder with cases, or one case file")
    _rule_options(testing)
    testing.add_argument("--format", choices=("text", "json", "junit"), default="text", help="form of the answer (default text)")
    testing.set_defaults(command=_rules_test)

    database = commands.add_parser("db", help="prepare the database").add_subparsers(metavar="COMMAND", required=True)
    upgrade = database.add_parser("upgrade", help="bring the tables of the configured database up to date")
    _config_option(upgrade)
    upgrade.set_defaults(command=_db_upgrade)

    notify = commands.add_parser("notify", help="try a target").add_subparsers(metavar="COMMAND", required=True)
    test = notify.add_parser("test", help="hand a labelled test notification to a target, and say what came back")
    test.add_argument("target", metavar="TARGET", help="name of the target, as in [notify.KIND.TARGET]")
    _config_option(test)
    test.set_defaults(command=_notify_test)
    snmp = commands.add_parser("snmp", help="MIB and identity of this gateway").add_subparsers(metavar="COMMAND", required=True)
    printed = snmp.add_parser("mib", help="print HAMON-MIB with the root of the configuration")
    _config_option(printed)
    printed.set_defaults(command=_snmp_mib)
    identity = snmp.add_parser("identity", help="print the engine ID, for createUser -e of receivers of SNMPv3 traps")
    _config_option(identity)
    identity.set_defaults(command=_snmp_identity)
    bumping = snmp.add_parser("bump-boots", help="add 1000 to the count of starts, after an old state directory was brought back")
    bumping.set_defaults(command=_snmp_bump)
    return parser


def _rule_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules", type=Path, action="append", default=[], metavar="FOLDER", help="a folder with rules of your own, tried before hamon's"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration whose rules are used")
    parser.add_argument("--language", dest="lang", choices=("en", "ja"), default="en", help="language of the answer (default en)")


def _config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (default: only HAMON_... variables)")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1000")
    return value


def _address(text: str) -> str:
    try:
        parse_listen(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err
    return text


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise argparse.ArgumentTypeError(f"no time zone of this name: {text} (examples: UTC, Asia/Tokyo)") from err


def _report_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".md", ".html", ".htm"):
        raise argparse.ArgumentTypeError(f"the name of a report ends in .md (Markdown) or .html, not as {path.name}")
    return path


def _loaded(options: argparse.Namespace) -> config.Config:
    return config.load(options.config, os.environ)


def _run(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    logs.start(loaded.log.level, loaded.log.form)
    for warning in config.warnings(loaded, options.config):
        logging.getLogger(__name__).warning("configuration", extra={"problem": warning.id, "key": warning.key, "reason": warning.message})
    asyncio.run(Gateway(loaded, config.state_directory(os.environ)).run())
    return OK


def _demo(options: argparse.Namespace) -> int:
    from hamon import demo

    logs.start("warning", "text")
    folder = config.state_directory(os.environ) / "demo"
    lines = demo.lines_of(options.recording or demo.recording())
    if not lines:
        _complain("the recording has no pacemaker.log; name another one with --recording")
        return REFUSED
    # Before the folder is emptied: another demonstration may be at work there.
    bind(*parse_listen(options.listen)).close()
    demo.prepare(folder)
    nodes = sorted({line.file.split("/")[0] for line in lines})
    answers = demo.answers_of(options.recording or demo.recording()) if options.speed <= demo.MOST_SPEED_ASKED else []
    traps, trap_port = demo.traps_of(options.recording or demo.recording()), demo.free_port()
    asked = {answer.node for answer in answers}
    gateway = Gateway(demo.config_for(folder, options.speed, options.listen, nodes, asked, traps, trap_port), folder)
    player = demo.Player(lines, folder, options.speed, SystemClock(), answers, traps, trap_port)
    seconds = (lines[-1].at - lines[0].at).total_seconds() / options.speed

    async def play() -> None:
        running = asyncio.create_task(gateway.run())
        ready = asyncio.create_task(gateway.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ready.cancel()
            running.result()
        address = gateway.config.web.address
        host = f"[{address.host}]" if ":" in address.host else address.host
        base = f"http://{host}:{address.port}"
        print(
            f"hamon watches a recorded cluster ({', '.join(nodes)}): {seconds:.0f} s at {options.speed:g} times its pace.\n\n"
            f"  pages    {base}/\n"
            f"  metrics  {base}/metrics\n"
            f"  mail     {folder / 'mail.mbox'}\n"
            f"  logs     {folder / 'logs'}\n"
            f"  traps    {len(traps)}, sent to 127.0.0.1 port {trap_port}\n\n"
            "A failover, a clean-up, a link fault, a switchover, a standby fault, a rejoin, maintenance, and another failover follow.\n"
            "Stop with Ctrl-C.",
            flush=True,
        )
        playing = asyncio.create_task(player.run())
        await asyncio.wait([running, playing], return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            playing.result()
            print("The recording has ended; the pages stay. Stop with Ctrl-C.", flush=True)
        await running

    asyncio.run(play())
    return OK


def _tails(loaded: config.Config) -> Mapping[str, LogTailConfig]:
    return {name: section for _, name, section in loaded.collectors() if isinstance(section, LogTailConfig)}


def _read_as(tails: Mapping[str, LogTailConfig], named: Sequence[Sequence[str]], paths: Sequence[Path]) -> dict[Path, "analyze.ReadAs"]:
    """The files that a collector of the configuration reads, by its paths, or because it is said so."""
    from hamon import analyze

    chosen = {Path(path).resolve(): name for name, path in named}
    for path in paths:
        whole = path.resolve()
        for name, section in tails.items():
            if whole not in chosen and any(fnmatchcase(str(whole), glob) for glob in section.paths):
                chosen[whole] = name
    return {
        path: analyze.ReadAs(
            collector=name,
            path=str(path),
            form=tails[name].form,
            node=tails[name].node,
            timezone=tails[name].timezone,
            encodings=tails[name].encodings,
        )
        for path, name in chosen.items()
    }


def _analyze(options: argparse.Namespace) -> int:
    from hamon import analyze

    try:
        sources = frozenset(Source(word.strip()) for word in options.sources.split(","))
    except ValueError:
        _complain(f"--sources takes log, trap and poll, not {options.sources}")
        return WRONG
    settings = None
    read_as: dict[Path, analyze.ReadAs] = {}
    if not options.paths and not options.collector:
        options.wrong_use("the following arguments are required: PATH")
    named = [tuple(text.partition("=")[::2]) for text in options.collector]
    if options.config is not None:
        loaded = config.load(options.config, os.environ)
        rules = rules_of(loaded)
        tails = _tails(loaded)
        if unknown := [name for name, path in named if name not in tails or not path]:
            _complain(f"--collector takes NAME=PATH, with NAME of a table [collect.log_tail.NAME] of the configuration, not {unknown[0]}")
            return WRONG
        read_as = _read_as(tails, named, options.paths)
        if options.cluster in loaded.cluster:
            settings = loaded.cluster[options.cluster].settings(options.cluster)
    else:
        if named:
            _complain("--collector needs --config: the collector stands there")
            return WRONG
        rules = load([data.folder("rules")])
    wanted = analyze.Options(
        sources=sources,
        cluster=options.cluster,
        timezone=options.timezone,
        year=options.year,
        language=options.lang,
        settings=settings,
        read_as=read_as,
    )
    try:
        found = analyze.analyze(
            [*options.paths, *(Path(path) for _, path in named)], rules, wanted, _progress if sys.stderr.isatty() else None
        )
    except analyze.NothingReadable as err:
        _complain(str(err))
        return WRONG
    if options.report is not None:
        text = analyze.to_report(found, options.report.suffix, options.lang, options.timezone, SystemClock().now())
        if not _wrote(options.report, text):
            return WRONG
    if options.format == "json":
        json.dump(analyze.to_json(found, options.lang), sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        print(analyze.to_text(found, options.lang, options.timezone))
    return OK


def _logconv(options: argparse.Namespace) -> int:
    from hamon import logconv

    try:
        settings = logconv.settings(options.config, options.act_rsc, options.output)
    except logconv.ConfigurationMissing as err:
        _complain(str(err))
        return MISSING
    rules = load([data.folder("rules")])
    timezone, clock = options.timezone or logconv.local_zone(), SystemClock()
    if options.follow:
        if options.logs:
            _complain("--follow reads the log that the configuration names (ha_log_path); leave LOG out")
            return WRONG
        logs.start("info", "text")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        start = StartAt.BEGINNING if options.from_beginning else StartAt.END
        logconv.Follower(settings, rules, options.status, timezone, clock, start=start).run(stop)
        return OK
    lines = logconv.Lines(rules, settings.settings, timezone, options.year)
    problems = logconv.convert_once(options.logs, lines, settings, timezone, clock, to_stdout=bool(options.logs) and options.output is None)
    if problems:
        _complain(f"{len(problems)} log(s) could not be read:", *problems)
    return REFUSED if problems else OK


def _state(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    zone = ZoneInfo(loaded.web.timezone)
    at = _moment(options.at, zone) if options.at else SystemClock().now()
    if at is None:
        _complain(f'--at takes a time such as "2026-11-22 03:12" or 2026-11-22T03:12:00+09:00, not {options.at}')
        return WRONG
    if options.cluster is not None and options.cluster not in loaded.cluster:
        raise HamonError(f"there is no cluster {options.cluster}; there are: {', '.join(loaded.cluster) or 'none'}")
    names = [options.cluster] if options.cluster is not None else list(loaded.cluster)

    async def look() -> list[Polled | None]:
        store = SqlStore(loaded.store.database_url(config.state_directory(os.environ)))
        try:
            await store.remembered()  # tells when the tables are of another version
            return [await store.state_at(name, at) for name in names]
        finally:
            await store.close()

    found = dict(zip(names, asyncio.run(look()), strict=True))
    if options.format == "json":
        json.dump([state_answer(polled, at).model_dump(mode="json") for polled in found.values() if polled], sys.stdout, ensure_ascii=False)
        print()
    else:
        for name, polled in found.items():
            section = loaded.cluster[name]
            named = section.settings(name).services
            print(as_text(state(polled, name, at, language=options.lang, zone=zone, named=named), section.title))
    return OK if all(found.values()) else REFUSED


def _report(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    names = [options.cluster] if options.cluster is not None else list(loaded.cluster)
    if not names:
        raise HamonError("the configuration names no cluster; give --config FILE, or --cluster NAME as it stands in the history")

    async def look() -> list[Subject]:
        store = SqlStore(loaded.store.database_url(config.state_directory(os.environ)))
        try:
            states = (await store.remembered()).states
            now = SystemClock().now()
            found = [await subject_of(store, name, options.key, now=amiss_in(states.get(name), name), written_at=now) for name in names]
            if not any(found):
                newest = [item for name in names for item in await store.incidents(IncidentFilter(cluster=name, limit=3))]
                keys = ", ".join(item.key for item in newest) or "none"
                raise HamonError(f"there is no incident with the key {options.key} in {', '.join(names)}; the newest keys are: {keys}")
            return [subject for subject in found if subject is not None]
        finally:
            await store.close()

    subjects = asyncio.run(look())
    if len(subjects) > 1:
        raise HamonError(f"several clusters have this key: {', '.join(str(subject.cluster) for subject in subjects)}; give --cluster NAME")
    form = "md" if options.output is None or options.output.suffix.lower() == ".md" else "html"
    text = written(subjects[0], form, options.lang, ZoneInfo(loaded.web.timezone))
    if options.output is None:
        print(text, end="")
        return OK
    return OK if _wrote(options.output, text) else WRONG


def _wrote(path: Path, text: str) -> bool:
    """Write a report; what keeps it from that is said."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        _complain(f"the report cannot be written to {path}: {err.strerror}; name a file in a folder that is yours")
        return False
    return True


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """A time that was typed; None when it is none."""
    try:
        at = datetime.fromisoformat(text.strip())
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if 1971 <= at.year <= 9000 else None


def _progress(done: int, total: int) -> None:
    if total > 20_000_000:
        width = int(40 * done / total)
        end = "\n" if done >= total else ""
        print(f"\r[{'#' * width}{'.' * (40 - width)}] {done // 1_000_000} of {total // 1_000_000} MB", end=end, file=sys.stderr, flush=True)


def _config_check(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    rules_of(loaded)
    for warning in config.warnings(loaded, options.config):
        print(f"warning: {warning}")
    print("the configuration is good")
    return OK


def _config_sample(_options: argparse.Namespace) -> int:
    print(config.sample(), end="")
    return OK


def _rules_check(options: argparse.Namespace) -> int:
    rules = load([*options.folders, data.folder("rules")])
    matcher = LogMatcher(rules)
    traps = TrapMatcher(rules)
    findings = [
        *check(
            rules, lambda rule, line: answer(matcher.of_rule(rule), rule, line), lambda rule, line: rule.pattern.search(line) is not None
        ),
        *check_traps(rules, traps.answer, traps.alone),
    ]
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} example(s) are not as the rules say")
        return REFUSED
    print(f"{len(rules)} rules, {rules.example_count} examples: all as they say")
    return OK


def _own_rules(options: argparse.Namespace) -> list[Path]:
    """The folders with the user's rules, as the options name them."""
    configured = list(config.load(options.config, os.environ).rules.paths) if options.config is not None else []
    return [*options.rules, *configured]


def _rules_explain(options: argparse.Namespace) -> int:
    from hamon import explain

    if not options.lines and not options.file:
        _complain("nothing to explain; give a LINE, - for standard input, or --file FILE")
        return WRONG
    rules = load([*_own_rules(options), data.folder("rules")])
    known = {*(rule.id for rule in rules.rules), *(trap.id for trap in rules.traps)}
    if unknown := [rule for rule in options.rule if rule not in known]:
        _complain(f"no rule has the id {unknown[0]}")
        return WRONG
    read_as = None
    if options.collector is not None:
        loaded = config.load(options.config, os.environ) if options.config is not None else None
        tails = _tails(loaded) if loaded is not None else {}
        if options.collector not in tails:
            _complain(f"--collector takes the name of a table [collect.log_tail.NAME] of --config FILE, not {options.collector}")
            return WRONG
        (read_as,) = _read_as(tails, [(options.collector, tails[options.collector].paths[0])], []).values()
    wanted = explain.Wanted(
        now=SystemClock().now(),
        timezone=options.timezone,
        year=options.year,
        daemon=options.daemon,
        closely=frozenset(options.rule),
        read_as=read_as,
    )
    explainer = explain.Explainer(rules, wanted)
    all_taken = True
    try:
        for number, found in enumerate(explainer.explain_all(explain.inputs(options.lines, options.file, sys.stdin.buffer))):
            all_taken &= found.winner is not None
            if options.format == "json":
                print(
                    json.dumps(
                        explain.to_json(found, every=options.all, closely=wanted.closely, language=options.lang, own=rules.own),
                        ensure_ascii=False,
                    )
                )
            else:
                print(
                    ("\n" if number else "")
                    + explain.to_text(found, every=options.all, closely=wanted.closely, language=options.lang, own=rules.own)
                )
    except BrokenPipeError:
        raise
    except OSError as err:
        _complain(f"{err.filename or 'the input'} cannot be read: {err.strerror or err}")
        return WRONG
    return OK if all_taken else REFUSED


def _rules_test(options: argparse.Namespace) -> int:
    from hamon import rule_cases

    for folder in options.cases:
        if not folder.exists():
            _complain(f"{folder}: no such file or folder")
            return WRONG
    paths = [path for folder in options.cases for path in rule_cases.find(folder)]
    if not paths:
        _complain(f"no case in {', '.join(map(str, options.cases))}; a case is a TOML file, or a folder with {rule_cases.FOLDER_CASE}")
        return WRONG
    folders = _own_rules(options)
    load([*folders, data.folder("rules")])  # what is wrong with them is not the fault of each case
    runner = rule_cases.Runner(folders, data.folder("rules"), os.environ, options.lang)
    results = [runner.run(path) for path in paths]
    if options.format == "json":
        print(json.dumps(rule_cases.to_json(results), ensure_ascii=False, indent=1))
    elif options.format == "junit":
        print(rule_cases.to_junit(results))
    else:
        print(rule_cases.to_text(results, options.lang))
    return REFUSED if any(result.failures for result in results) else OK


def _db_upgrade(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    folder = config.state_directory(os.environ)
    if loaded.store.url is None and loaded.store.url_file is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate.upgrade(loaded.store.database_url(folder))
    print("the database is up to date")
    return OK


def _notify_test(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    clock = SystemClock()
    outlets = outlets_of(loaded, clock)
    outlet = outlets.get(options.target)
    if outlet is None:
        raise HamonError(f"no enabled target named {options.target}; there are: {', '.join(sorted(outlets)) or 'none'}")
    now = clock.now().astimezone(UTC)
    incident = Incident(
        key=f"test-{now:%Y%m%dT%H%M%S}",
        cluster="test",
        kind=IncidentKind.FAILOVER,
        severity=Severity.INFO,
        state=IncidentState.OPEN,
        detected_at=now,
        started_at=now - timedelta(seconds=1),
    )
    transition = Transition(at=now, kind=TransitionKind.OPENED, incident=incident, sequence=1, reason="test", notice=Notice.OPENING)
    raised = Notification(
        id=f"test/{incident.key}/1/{options.target}",
        transition=transition,
        language=outlet.target.language,
        subject="[TEST] hamon can reach this target",
        text="This is a test by an operator (`hamon notify test`). Nothing happened to any cluster.\n",
        test=True,
    )
    resolved = replace(incident, state=IncidentState.RESOLVED, resolved_at=now)
    cleared = replace(
        raised,
        id=f"test/{incident.key}/2/{options.target}",
        transition=replace(transition, kind=TransitionKind.RESOLVED, incident=resolved, sequence=2, notice=Notice.CLOSING),
        subject="[TEST] hamon can reach this target: end of the test",
    )

    async def send() -> list[str]:
        try:
            if isinstance(outlet.notifier, SnmpTrapNotifier):
                outlet.notifier.attach(await asyncio.to_thread(beside, loaded.snmp, config.state_directory(os.environ), now))
                return await outlet.notifier.test(raised, cleared)
            await outlet.notifier.send(raised)
            await outlet.notifier.send(cleared)
            return [f"{options.target} took both notifications"]
        finally:
            for other in outlets.values():
                await other.notifier.close()

    try:
        print("\n".join(asyncio.run(send())))
    except DeliveryError as err:
        _complain(f"{options.target} did not take the notification ({err.reason}): {err}")
        return REFUSED
    return OK


def _snmp_mib(options: argparse.Namespace) -> int:
    print(with_root((data.folder("mibs") / "HAMON-MIB.txt").read_text(encoding="ascii"), _loaded(options).snmp.root), end="")
    return OK


def _snmp_identity(options: argparse.Namespace) -> int:
    loaded = _loaded(options)
    local = beside(loaded.snmp, config.state_directory(os.environ), SystemClock().now())
    print(f"engine ID  {local.identity.engine_id_text}\nstarts     {local.identity.boots}\nroot       {loaded.snmp.oid_root}")
    return OK


def _snmp_bump(_options: argparse.Namespace) -> int:
    identity = bump(config.state_directory(os.environ), SystemClock().now())
    print(f"the count of starts is {identity.boots} now; start hamon again, so that it is used")
    return OK


if __name__ == "__main__":
    sys.exit(main())
