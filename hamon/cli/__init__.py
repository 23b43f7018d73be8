"""The command line: one module for each family of commands.

Only the family that is asked for is imported: `hamon analyze` needs no web server, and `hamon check`, which monitoring runs every
minute for each cluster, needs hardly anything.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from hamon import __version__
from hamon import log as logs
from hamon.cli.options import REFUSED, WRONG, complain
from hamon.errors import ConfigError, HamonError

FAMILIES = {
    "hamon.cli.watch": ("run", "demo"),
    "hamon.cli.analyze": ("analyze",),
    "hamon.cli.logconv": ("logconv",),
    "hamon.cli.history": ("state", "report"),
    "hamon.cli.glance": ("check", "status"),
    "hamon.cli.configuration": ("config", "db"),
    "hamon.cli.rules": ("rules",),
    "hamon.cli.reach": ("notify", "snmp"),
}
"""The commands of each module, in the order of the help. A module has `add_parsers`, which gives each of its parsers the default
`command`: a function from the options to the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 refused or found wrong, 2 wrong usage."""
    return run(parsed(sys.argv[1:] if arguments is None else arguments))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Import what the command needs, and read its options. Wrong usage ends the program with the usage and status 2."""
    return parser_for(arguments[:1]).parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Run the command of these options; what it refuses is told."""
    try:
        return int(options.command(options))
    except ConfigError as err:
        complain(f"the configuration has {len(err.problems)} problem(s):", *[str(problem) for problem in err.problems])
        return WRONG
    except HamonError as err:
        if logs.is_json():
            logging.getLogger(__name__).error("refused", extra={"reason": str(err)})
        else:
            complain(str(err))
        return REFUSED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def parser_for(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the family that has the first word as a command; of all commands where none has."""
    parser = argparse.ArgumentParser(
        prog="hamon",
        description="Watch Pacemaker/Corosync clusters and tell people what happened, in words they can act on.",
        epilog="hamon only reads: it never changes a cluster. Start with `hamon demo`, then `hamon config sample`.",
    )
    parser.add_argument("--version", action="version", version=f"hamon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = [module for module, names in FAMILIES.items() if {*words} & {*names}]
    for module in asked or (() if "--version" in words else FAMILIES):
        import_module(module).add_parsers(commands)
    return parser
