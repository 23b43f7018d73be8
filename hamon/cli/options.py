"""What the commands share: exit statuses, kinds of options, complaints.

It loads little, and so do the commands: each imports what it needs, and only the one that is asked for is imported.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from hamon.config import Config

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
OK, WRONG, REFUSED = 0, 2, 1
"""Exit statuses: done; wrong usage; refused or found wrong."""


def complain(*lines: str) -> None:
    """Say on standard error what is wrong: one line, and what belongs to it below."""
    for line in lines:
        print(f"hamon: {line}" if line is lines[0] else f"  {line}", file=sys.stderr)


def wrote(path: Path, text: str) -> bool:
    """Write a report; what keeps it from that is said."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        complain(f"the report cannot be written to {path}: {err.strerror}; name a file in a folder that is yours")
        return False
    return True


def config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config`; `loaded_by` reads it."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (default: only HAMON_... variables)")


def language_option(parser: argparse.ArgumentParser, what: str = "answer") -> None:
    """Add `--lang`; `--language`, as some commands called it once, is still taken."""
    parser.add_argument("--lang", choices=("en", "ja"), default="en", help=f"language of the {what} (default en)")
    parser.add_argument("--language", dest="lang", choices=("en", "ja"), default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def zone(text: str) -> str:
    """Take the name of a time zone."""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise argparse.ArgumentTypeError(f"no time zone of this name: {text} (examples: UTC, Asia/Tokyo)") from err


def report_file(text: str) -> Path:
    """Take the name of a report, whose ending says its form."""
    path = Path(text)
    if path.suffix.lower() not in (".md", ".html", ".htm"):
        raise argparse.ArgumentTypeError(f"the name of a report ends in .md (Markdown) or .html, not as {path.name}")
    return path


def loaded_by(options: argparse.Namespace) -> "Config":
    """Read the configuration that `--config` names, and the environment; ConfigError."""
    from hamon import config

    return config.load(options.config, os.environ)
