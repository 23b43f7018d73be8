"""`hamon run` and `hamon demo`: watch clusters."""

import argparse
import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hamon import config
from hamon import log as logs
from hamon.app import Gateway, bind
from hamon.cli.options import OK, REFUSED, WRONG, Commands, complain, config_option, loaded_by
from hamon.clock import SystemClock
from hamon.errors import ConfigError
from hamon.web.settings import parse_listen

if TYPE_CHECKING:
    from hamon.demo import Line

log = logging.getLogger(__name__)


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    run = commands.add_parser("run", help="watch the configured clusters", description="Watch the configured clusters until stopped.")
    config_option(run)
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


def _run(options: argparse.Namespace) -> int:
    try:
        loaded = loaded_by(options)
        logs.start(loaded.log.level, loaded.log.form)
        for warning in config.warnings(loaded, options.config):
            log.warning("configuration", extra={"problem": warning.id, "key": warning.key, "reason": warning.message})
        asyncio.run(Gateway(loaded, config.state_directory(os.environ)).run())
    except ConfigError as err:
        if config.log_form(options.config, os.environ) != "json":
            raise
        _refuse(err)
        return WRONG
    return OK


def _refuse(err: ConfigError) -> None:
    """As records of the log, where a machine reads it."""
    logs.start("info", "json")
    for problem in err.problems:
        facts = {"problem": problem.id, "key": problem.key, "reason": problem.message, "hint": problem.hint}
        log.error("configuration", extra=facts)


def _demo(options: argparse.Namespace) -> int:
    from hamon import demo

    logs.start("warning", "text")
    lines = demo.lines_of(options.recording or demo.recording())
    if not lines:
        complain("the recording has no pacemaker.log; name another one with --recording")
        return REFUSED
    bind(*parse_listen(options.listen)).close()  # before what an earlier demonstration left is removed
    with demo.prepared(config.state_directory(os.environ)) as folder:
        return _play(options, lines, folder)


def _play(options: argparse.Namespace, lines: "Sequence[Line]", folder: Path) -> int:
    from hamon import demo

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
