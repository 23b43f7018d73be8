"""`hamon state` and `hamon report`: what the history knows. Both only read it."""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hamon import config
from hamon.cli.options import OK, REFUSED, WRONG, Commands, complain, config_option, language_option, loaded_by, report_file, wrote
from hamon.clock import SystemClock
from hamon.errors import HamonError
from hamon.expose.state import as_text, state
from hamon.model.observation import Polled
from hamon.pipeline.process import amiss_in
from hamon.ports import IncidentFilter
from hamon.store.store import SqlStore
from hamon.tell.document import Subject
from hamon.web.answers import state_answer
from hamon.web.report import subject_of, written


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    shown = commands.add_parser(
        "state",
        help="show the state of a cluster, now or at any past time",
        description="Show the state of clusters as polling found it: nodes, services, resources, failed actions and more.",
    )
    shown.add_argument("--cluster", metavar="NAME", help="which cluster (default: all)")
    shown.add_argument("--at", metavar="TIME", help='such as "2026-11-22 03:12", in the zone of the pages, or with a zone (default: now)')
    language_option(shown)
    shown.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default text)")
    config_option(shown)
    shown.set_defaults(command=_state)

    reporting = commands.add_parser(
        "report",
        help="write the report of an incident from the history, to hand on",
        description="Write an incident of the history as a document: cause, timeline with its gaps explained, downtime, next steps. "
        "It only reads the history, also while hamon runs.",
    )
    reporting.add_argument("key", metavar="KEY", help="key of the incident, as its page and its messages give it")
    reporting.add_argument("--cluster", metavar="NAME", help="which cluster (default: the only one that has this key)")
    language_option(reporting, "report")
    reporting.add_argument(
        "--output",
        type=report_file,
        metavar="FILE",
        help="the file: FILE.md for Markdown, FILE.html for one printable page (default: Markdown on standard output)",
    )
    config_option(reporting)
    reporting.set_defaults(command=_report)


def _state(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
    zone = ZoneInfo(loaded.web.timezone)
    at = _moment(options.at, zone) if options.at else SystemClock().now()
    if at is None:
        complain(f'--at takes a time such as "2026-11-22 03:12" or 2026-11-22T03:12:00+09:00, not {options.at}')
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


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """A time that was typed; None when it is none."""
    try:
        at = datetime.fromisoformat(text.strip())
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if 1971 <= at.year <= 9000 else None


def _report(options: argparse.Namespace) -> int:
    loaded = loaded_by(options)
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
    return OK if wrote(options.output, text) else WRONG
