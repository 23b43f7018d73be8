"""`hamon logconv`: native logs to pm_logconv.out, once or as they grow. The shell round `classify/logconv.py`.

The law of following: the output is written before the status is, and what a crash left between the two is recognised at the next start
by the end of the output. So a message is never lost, and stands twice only when somebody changed or moved the output meanwhile.
"""

import configparser
import fcntl
import logging
import os
import re
import sys
import syslog
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from hamon.classify.logconv import Condition, Converter, FailoverState, LogconvSettings, Message, attribute_rule
from hamon.classify.match import decode
from hamon.clock import Clock
from hamon.collect.log_tail_config import LogTailConfig, StartAt
from hamon.collect.reader import LogReader
from hamon.errors import ConfigError, HamonError, ParseError, Problem
from hamon.model.observation import LogChunk, ReadPosition, SourceBack, SourceLost
from hamon.parse.forms import UNKNOWN_HOST, rewritten
from hamon.parse.lines import LogLine, parse_line
from hamon.parse.stamp import Stamps
from hamon.parse.wraps import unwrapped
from hamon.rules.schema import RuleSet

log = logging.getLogger(__name__)

CONFIG_FILE = Path("/etc/pm_logconv.conf")
STANDARD_OUTPUT = Path("/dev/stdout")
ENCODINGS = ("utf-8", "euc_jp", "shift_jis")
SAVE_SECONDS = 5.0
"""How often the place in the log is written down while nothing is converted."""
_COLLECTOR = "logconv"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv")
_SETTINGS = ("ha_log_path", "output_path", "output_logfacility", "output_async_write", "syslogformat", "act_rsc")
_WITHOUT_MEANING = ("logconv_logfacility", "logconv_logpriority", "reset_interval")
"""Settings of the converter's own log, and of its older versions, that change nothing here."""
_PRIORITIES = {"error": syslog.LOG_ERR, "warning": syslog.LOG_WARNING, "info": syslog.LOG_INFO}


class ConfigurationMissing(HamonError):
    """The configuration file that was named does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogconvConfig:
    """`/etc/pm_logconv.conf`. `output` None: no file; `facility` None: no syslog; `left_out`: what of it means nothing, and why."""

    log_path: Path = Path("/var/log/ha-log")
    output: Path | None = Path("/var/log/pm_logconv.out")
    facility: str | None = None
    syncs: bool = True
    syslog_format: bool = True
    settings: LogconvSettings = field(default_factory=LogconvSettings)
    left_out: tuple[Problem, ...] = ()


def read_config(path: Path) -> LogconvConfig:
    """Read the converter's configuration. Raises ConfigurationMissing, and ConfigError where the file cannot be read at all.

    A setting that says nothing sensible is left out and named, as the converter does: what it started with starts this, too.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";", "#"))
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            parser.read_file(stream)
    except FileNotFoundError:
        raise ConfigurationMissing(f"{path} does not exist; name another one with --config") from None
    except (OSError, configparser.Error) as err:
        raise ConfigError([Problem(id="unreadable", key=str(path), message=str(err).replace("\n", " "))]) from err
    section: Mapping[str, str] = parser["Settings"] if parser.has_section("Settings") else {}
    left_out: list[Problem] = []
    if not parser.has_section("Settings"):
        left_out.append(Problem(id="missing", key="[Settings]", message="there is no such section; everything has its default"))
    values = {key: value.strip() for key, value in section.items() if value.strip()}
    rules: list[tuple[tuple[Condition, ...], ...]] = []
    for key, value in values.items():
        if key.startswith("attribute"):
            try:
                rules.append(attribute_rule(value))
            except ValueError as err:
                left_out.append(Problem(id="invalid", key=key, message=str(err)))
        elif key not in _SETTINGS + _WITHOUT_MEANING:
            left_out.append(Problem(id="unknown", key=key, message=f"no such setting; there are {', '.join(_SETTINGS)}, attribute_..."))
    facility: str | None = values.get("output_logfacility", "none").lower()
    if facility not in ("none", *_FACILITIES) and not re.fullmatch(r"local[0-7]", facility or ""):
        message = f"{facility} is no syslog facility, such as local1 or daemon; nothing is sent to syslog"
        left_out.append(Problem(id="invalid", key="output_logfacility", message=message))
        facility = None
    flags = {}
    for key, default in (("output_async_write", False), ("syslogformat", True)):
        try:
            flags[key] = _flag(values.get(key, ""), default)
        except ValueError as err:
            left_out.append(Problem(id="invalid", key=key, message=f"{err}; it is taken for {default}"))
            flags[key] = default
    output = values.get("output_path", "/var/log/pm_logconv.out")
    return LogconvConfig(
        log_path=Path(values.get("ha_log_path", "/var/log/ha-log")),
        output=None if output.lower() == "none" else Path(output),
        facility=None if facility == "none" else facility,
        syncs=not flags["output_async_write"],
        syslog_format=flags["syslogformat"],
        settings=LogconvSettings(service_resources=_ids(values.get("act_rsc", "")), attribute_rules=tuple(rules)),
        left_out=tuple(left_out),
    )


def settings(file: Path | None, resources: str | None, output: str | None) -> LogconvConfig:
    """The configuration (that of the usual place, where it exists and no other is named), with what the command line says instead of it."""
    config = LogconvConfig() if file is None and not CONFIG_FILE.exists() else read_config(file or CONFIG_FILE)
    if resources is not None:
        config = replace(config, settings=replace(config.settings, service_resources=_ids(resources)))
    if output is not None:
        config = replace(config, output=STANDARD_OUTPUT if output == "-" else Path(output), facility=None)
    return config


def _ids(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _flag(text: str, default: bool) -> bool:
    words = {"": default, "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither True nor False") from None


def local_zone() -> str:
    """IANA name of the machine's time zone; UTC where it does not tell."""
    name = os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        return "UTC"


def as_line(message: Message, zone: ZoneInfo, *, syslog_format: bool) -> str:
    """One line of pm_logconv.out, without its line end. One-digit days have one blank before them, as the converter writes them."""
    at = message.at.astimezone(zone)
    date = f"{_MONTHS[at.month - 1]} {at.day} {at:%H:%M:%S}" if syslog_format else f"{at:%Y/%m/%d_%H:%M:%S}"
    return f"{date} {message.host} {message.priority:>7}: {message.text}"


_MONTH = re.compile(rf"(?:<\d{{1,3}}>)?({'|'.join(_MONTHS)}) ")
"""How a stamp without a year begins."""


class Lines:
    """Bytes of logs to messages. Each host has a converter of its own, so that a log of several nodes is converted as theirs would be."""

    def __init__(
        self, rules: RuleSet, settings: LogconvSettings, timezone: str, year: int | None, hosts: Mapping[str, FailoverState] | None = None
    ) -> None:
        """`year` is that of the earliest stamp that has none: the lines tell where New Year was."""
        self._rules, self._settings, self._timezone, self._year = rules, settings, timezone, year
        self._first_year, self._month = year, ""
        self._converters = {host: Converter(rules, settings, state) for host, state in (hosts or {}).items()}
        self.unrecognised = 0

    @property
    def hosts(self) -> dict[str, FailoverState]:
        return {host: converter.state for host, converter in self._converters.items()}

    def convert(self, data: bytes, reference: datetime) -> Iterator[Message]:
        """The messages of complete lines; `reference` is a time near them, for stamps without a year."""
        stamps = Stamps(self._timezone, reference, self._year)
        for raw in data.splitlines():
            if not raw.strip():
                continue
            text, _ = decode(raw, ENCODINGS)
            if self._is_another_year(text):
                stamps = Stamps(self._timezone, reference, self._year)
            try:
                line = parse_line(text, stamps)
            except ParseError:
                plain = _in_usual_form(text, stamps)
                if plain is None:
                    self.unrecognised += 1
                    continue
                line = plain
            converter = self._converters.get(line.host)
            if converter is None:
                converter = self._converters[line.host] = Converter(self._rules, self._settings)
            yield from converter.convert(line)
        for converter in self._converters.values():
            yield from converter.rest()

    def _is_another_year(self, text: str) -> bool:
        """Whether this line begins another year than the one before it: January after December, or the other way in the next log."""
        if self._year is None or self._first_year is None or (found := _MONTH.match(text)) is None:
            return False
        before, self._month = self._month, found[1]
        if (before, self._month) == ("Dec", "Jan"):
            self._year += 1
        elif (before, self._month) == ("Jan", "Dec") and self._year > self._first_year:
            self._year -= 1
        else:
            return False
        return True


def _in_usual_form(text: str, stamps: Stamps) -> LogLine | None:
    """A line that tools or documents put something around, if it names its host; None: it is no line of a log."""
    plain = rewritten(text)
    try:
        line = parse_line(plain, stamps) if plain is not None else None
    except ParseError:
        return None
    return line if line is not None and line.host != UNKNOWN_HOST else None


class Output:
    """Where the messages go: a file that may be rotated away at any time, and syslog."""

    def __init__(self, config: LogconvConfig, zone: ZoneInfo) -> None:
        self._config, self._zone = config, zone
        if config.facility is not None:
            syslog.openlog("pm_logconv", 0, getattr(syslog, f"LOG_{config.facility.upper()}"))

    def lines(self, messages: Iterable[Message]) -> list[tuple[Message, str]]:
        return [(message, as_line(message, self._zone, syslog_format=self._config.syslog_format)) for message in messages]

    def write(self, lines: Sequence[tuple[Message, str]]) -> None:
        """Write them to all places; raises HamonError when the file cannot be written."""
        if not lines:
            return
        if self._config.facility is not None:
            for message, _ in lines:
                syslog.syslog(_PRIORITIES[message.priority], f"{message.priority:>7}: {message.text}")
        path = self._config.output
        if path is None:
            return
        text = "".join(f"{line}\n" for _, line in lines)
        if path == STANDARD_OUTPUT:
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        try:
            # Opened each time, so that it follows any rotation.
            with path.open("ab") as stream:
                stream.write(text.encode("utf-8", "replace"))
                if self._config.syncs:
                    stream.flush()
                    os.fsync(stream.fileno())
        except OSError as err:
            raise HamonError(f"{path} cannot be written: {err.strerror}; what was not written is converted at the next start") from err


def convert_once(
    paths: Sequence[Path], lines: Lines, config: LogconvConfig, timezone: str, clock: Clock, *, to_stdout: bool
) -> Sequence[str]:
    """Convert whole logs, plain or compressed, in the order given (none: the configured one). Returns what could not be read, and why."""
    zone = ZoneInfo(timezone)
    output = Output(replace(config, output=STANDARD_OUTPUT, facility=None) if to_stdout else config, zone)
    problems: list[str] = []
    for path in paths or (config.log_path,):
        try:
            reference = datetime.fromtimestamp(path.stat().st_mtime, zone)
        except OSError as err:
            problems.append(f"{path} cannot be read: {err.strerror}")
            continue
        tail = LogTailConfig(cluster=_COLLECTOR, paths=(str(path.absolute()),), timezone=timezone, rotated=False)
        reader = LogReader(_COLLECTOR, tail, clock, ())
        try:
            for data in unwrapped(_blocks(reader, problems)):
                output.write(output.lines(lines.convert(data, reference)))
        finally:
            reader.close()
    return problems


def _blocks(reader: LogReader, problems: list[str]) -> Iterator[bytes]:
    """The lines of a whole log, some at a time; what cannot be read of it is added to `problems`."""
    has_more = True
    while has_more:
        step = reader.step(look=True)
        has_more = step.has_more
        for observation in step.observations:
            if isinstance(observation, SourceLost):
                problems.append(observation.reason)
            elif isinstance(observation, LogChunk):
                yield observation.data


@dataclass(slots=True, kw_only=True)
class Status:
    """Where following goes on after a stop or a crash: read so far, the converters, and how long which output file was then."""

    positions: list[ReadPosition] = field(default_factory=list)
    hosts: dict[str, FailoverState] = field(default_factory=dict)
    output_inode: int = 0
    output_size: int = 0


_STATUS = TypeAdapter(Status)


def _locked(status_file: Path) -> int:
    """Lock a status; raises HamonError when another one follows with it. The lock ends with the descriptor that is returned."""
    try:
        status_file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(_lock_file(status_file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise HamonError(f"{status_file} cannot be used: {err.strerror}; give another one with --status") from err
    if not _taken(lock):
        os.close(lock)
        raise HamonError(f"another hamon logconv is at work with {status_file}; stop it first, or give another --status")
    return lock


def is_followed(status_file: Path) -> bool:
    """Whether another one follows a log with this status, as far as this user may know."""
    try:
        lock = os.open(_lock_file(status_file), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(lock)
    finally:
        os.close(lock)


def _lock_file(status_file: Path) -> str:
    return f"{status_file}.lock"


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Follower:
    """Follow a log and write pm_logconv.out. One at a time for a status file."""

    def __init__(self, config: LogconvConfig, rules: RuleSet, status_file: Path, timezone: str, clock: Clock, *, start: StartAt) -> None:
        self._config, self._status_file, self._clock = config, status_file, clock
        self._lock = _locked(status_file)
        status = self._remembered()
        self._lines = Lines(rules, config.settings, timezone, None, status.hosts)
        self._positions = {(position.device, position.inode): position for position in status.positions}
        self._written = self._written_since(status)
        tail = LogTailConfig(cluster=_COLLECTOR, paths=(str(config.log_path.absolute()),), timezone=timezone, start=start)
        self._reader = LogReader(_COLLECTOR, tail, clock, status.positions)
        self._output = Output(config, ZoneInfo(timezone))

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; then what was read is written down."""
        saved_at = self._clock.now()
        is_behind = False
        try:
            while not stop.is_set():
                step = self._reader.step(look=True)
                messages: list[Message] = []
                for observation in step.observations:
                    if isinstance(observation, LogChunk):
                        messages += self._lines.convert(observation.data, observation.received_at)
                        if observation.position is not None:
                            self._positions[observation.position.device, observation.position.inode] = observation.position
                            is_behind = True
                    elif isinstance(observation, SourceLost):
                        log.warning("the log cannot be read", extra={"path": observation.path, "reason": observation.reason})
                    elif isinstance(observation, SourceBack):
                        log.info("the log is read again", extra={"path": observation.path})
                if messages:
                    self._write(messages)
                now = self._clock.now()
                if messages or (is_behind and (now - saved_at).total_seconds() >= SAVE_SECONDS):
                    self._save()
                    is_behind, saved_at = False, now
                if not step.has_more:
                    stop.wait(min(1.0, step.wait_seconds))
        finally:
            if is_behind:
                self._save()
            self._reader.close()
            os.close(self._lock)

    def _remembered(self) -> Status:
        try:
            return _STATUS.validate_json(self._status_file.read_bytes())
        except FileNotFoundError:
            return Status()
        except (OSError, ValidationError) as err:
            log.warning(
                "the status cannot be read; the log is taken up at its end", extra={"path": str(self._status_file), "reason": str(err)}
            )
            return Status()

    def _written_since(self, status: Status) -> list[str]:
        """Lines that stand in the output behind the place that the status knows of: a crash came before it was written down."""
        output = self._config.output
        if output is None or not status.output_inode:
            return []
        try:
            with output.open("rb") as stream:
                if os.fstat(stream.fileno()).st_ino != status.output_inode:
                    return []
                stream.seek(status.output_size)
                return stream.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _write(self, messages: Iterable[Message]) -> None:
        fresh = []
        for message, text in self._output.lines(messages):
            if self._written and self._written[0] == text:
                del self._written[0]
            else:
                self._written = []
                fresh.append((message, text))
        self._output.write(fresh)

    def _save(self) -> None:
        status = Status(positions=list(self._positions.values()), hosts=self._lines.hosts)
        if self._config.output is not None:
            try:
                known = self._config.output.stat()
                status.output_inode, status.output_size = known.st_ino, known.st_size
            except FileNotFoundError:
                pass
        beside = self._status_file.with_name(f"{self._status_file.name}.new")
        try:
            with beside.open("wb") as stream:
                stream.write(_STATUS.dump_json(status))
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self._status_file)
        except OSError as err:
            log.warning("the status cannot be written", extra={"path": str(self._status_file), "reason": str(err)})
