"""`hamon logconv`: native logs to the messages of pm_logconv."""

import argparse
import signal
import threading
from pathlib import Path

from hamon import log as logs
from hamon import logconv
from hamon.cli.options import OK, REFUSED, WRONG, Commands, complain, zone
from hamon.clock import SystemClock
from hamon.collect.log_tail_config import StartAt
from hamon.rules.load import load_all

MISSING = 6
"""What pm_logconv answers when its configuration does not exist."""


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    conversion = commands.add_parser(
        "logconv",
        help="write pm_logconv.out from the logs of any Pacemaker",
        description="Convert native logs to the messages of pm_logconv, for log monitors that know these. With LOG: these files, once, to "
        "standard output. Without: the log that the configuration names, to the file that it names, once or with --follow as it grows.",
    )
    conversion.add_argument("logs", nargs="*", type=Path, metavar="LOG", help="logs to convert once, plain or compressed, in this order")
    how = conversion.add_mutually_exclusive_group()
    how.add_argument("--follow", action="store_true", help="go on as the log grows, until stopped")
    how.add_argument("-o", "--once", action="store_true", help="end when everything is converted, as without --follow")
    conversion.add_argument(
        "-f", "--config", type=Path, metavar="FILE", help="pm_logconv's configuration (default /etc/pm_logconv.conf where it exists)"
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
        "--timezone", type=zone, metavar="ZONE", help="zone of stamps without one, and of the output (default: this machine's)"
    )
    conversion.add_argument(
        "--year",
        type=int,
        help="year of stamps that have none (default: that of the file); where they go over New Year, that of the earliest",
    )
    conversion.set_defaults(command=_logconv)


def _logconv(options: argparse.Namespace) -> int:
    try:
        settings = logconv.settings(options.config, options.act_rsc, options.output)
    except logconv.ConfigurationMissing as err:
        complain(str(err))
        return MISSING
    if settings.left_out:
        complain(f"{len(settings.left_out)} setting(s) left out:", *[str(problem) for problem in settings.left_out])
    rules = load_all()
    timezone, clock = options.timezone or logconv.local_zone(), SystemClock()
    if options.follow:
        if options.logs:
            complain("--follow reads the log that the configuration names (ha_log_path); leave LOG out")
            return WRONG
        logs.start("info", "text")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        start = StartAt.BEGINNING if options.from_beginning else StartAt.END
        logconv.Follower(settings, rules, options.status, timezone, clock, start=start).run(stop)
        return OK
    to_stdout = bool(options.logs) and options.output is None
    if not to_stdout and settings.output not in (None, logconv.STANDARD_OUTPUT) and logconv.is_followed(options.status):
        complain(f"hamon logconv --follow is at work with {options.status}, and what it wrote would stand twice; stop it first")
        return REFUSED
    lines = logconv.Lines(rules, settings.settings, timezone, options.year)
    problems = logconv.convert_once(options.logs, lines, settings, timezone, clock, to_stdout=to_stdout)
    if problems:
        complain(f"{len(problems)} log(s) could not be read:", *problems)
    return REFUSED if problems else OK
