"""One TOML file and the environment to a checked configuration."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from hamon.config.build import build
from hamon.config.cross_check import cross_check
from hamon.config.environment import blame_variable, override, put
from hamon.config.sections import Config
from hamon.errors import ConfigError, Problem

MOST_BYTES = 1 << 20
"""A configuration file larger than this is refused: it is no configuration."""


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file (None: none, defaults only) and the overrides of the environment. Raises ConfigError with all problems."""
    raw = _read(path) if path is not None else {}
    overrides, found = override(raw, environ)
    config, wrong = build(raw)
    # A text that looks like a number, such as a password of digits, is meant as text where text is wanted.
    texts = {found.location for found in wrong if found.id == "wrong-type"} & overrides.keys()
    if texts:
        for location in texts:
            put(raw, location, environ[overrides[location]])
        config, wrong = build(raw)
    found += [*wrong, *cross_check(raw)]
    if config is None or found:
        raise ConfigError([blame_variable(one, overrides) for one in found])
    return config


def log_form(path: Path | None, environ: Mapping[str, str]) -> str:
    """The form of the log as far as it can be told from a configuration that is refused; "text" where it cannot."""
    try:
        raw = _read(path) if path is not None else {}
    except ConfigError:
        raw = {}
    override(raw, environ)
    log = raw.get("log")
    return "json" if isinstance(log, dict) and log.get("form") == "json" else "text"


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where hamon keeps what must survive: the folder that systemd gives (the first, if several), else that of the user."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else platformdirs.user_state_path("hamon")


def _read(path: Path) -> dict[str, Any]:
    """The tables of the file. Raises ConfigError when there are none to be had."""

    def refuse(id: str, message: str, hint: str = "") -> ConfigError:
        return ConfigError([Problem(id=id, key=str(path), message=message, hint=hint)])

    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as err:
        hint = "give the path of the configuration; `hamon config sample` prints one to begin with"
        raise refuse("config-file-unreadable", err.strerror or str(err), hint) from err
    if len(content) > MOST_BYTES:
        raise refuse("config-file-too-large", f"more than {MOST_BYTES} bytes", "give the path of a configuration")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        raise refuse("toml-syntax", f"line {line}: not UTF-8", "save the file as UTF-8") from err
    except RecursionError as err:
        raise refuse("toml-syntax", "too deeply nested", "no key needs more than a list of lists") from err
    except ValueError as err:
        raise refuse(*_syntax(str(err))) from err


def _syntax(message: str) -> tuple[str, str, str]:
    """Id, message and hint for what the TOML reader says."""
    reason, line, column = message, "", ""
    if place := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        reason, line, column = message[: place.start()], *place.groups()
    elif message.endswith(" (at end of document)"):
        reason, line = message.removesuffix(" (at end of document)"), "the last line"
    where = (f"line {line}" if line.isdigit() else line or "somewhere") + (f", column {column}" if column else "")
    if reason.startswith("Cannot "):
        return "duplicate-key", f"{where}: {reason}", "a key or table may be given once only"
    hint = {
        "Invalid value": 'text stands in quotes: key = "value"',
        "Expected '=' after a key in a key/value pair": "a line is `key = value`, a table `[name]`; a comment begins with #",
        "Expected ']' at the end of a table declaration": "a table is `[name]`, in a line of its own",
    }.get(reason, "look there, and before it, for a quote or bracket that is not closed, or a comma that is missing")
    return "toml-syntax", f"{where}: {reason}", hint
