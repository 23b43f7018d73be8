"""`hamon analyze`: recorded evidence to what happened."""

import argparse
import json
import sys
from pathlib import Path

from hamon import analyze
from hamon.cli.options import OK, WRONG, Commands, complain, language_option, loaded_by, report_file, wrote, zone
from hamon.clock import SystemClock
from hamon.model.observation import Source
from hamon.rules.load import load_all


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
    analysis = commands.add_parser(
        "analyze",
        help="say what happened, from recorded logs, traps and polls",
        description="Read recorded evidence and say what happened. Paths may be logs (also .gz .bz2 .xz), captures of traps, answers of"
        " crm_mon, folders or tarballs.",
    )
    analysis.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    analysis.add_argument("--sources", default="log,trap,poll", metavar="KINDS", help="kinds of evidence to use (default log,trap,poll)")
    analysis.add_argument("--cluster", metavar="NAME", help="name of the cluster in the answer")
    analysis.add_argument("--timezone", default="UTC", type=zone, metavar="ZONE", help="zone of stamps that have none (default UTC)")
    analysis.add_argument(
        "--year",
        type=int,
        help="year of stamps that have none, of the earliest ones where they go over New Year (default: from the evidence)",
    )
    language_option(analysis)
    analysis.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer (default text)")
    analysis.add_argument("--report", type=report_file, metavar="FILE", help="also write an incident report: .md (Markdown) or .html")
    analysis.add_argument("--config", type=Path, metavar="FILE", help="configuration whose services and rules are used (with --cluster)")
    analysis.add_argument(
        "--collector",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="read PATH as [collect.log_tail.NAME] of the configuration does",
    )
    analysis.set_defaults(command=_analyze, wrong_use=analysis.error)


def _analyze(options: argparse.Namespace) -> int:
    try:
        sources = frozenset(Source(word.strip()) for word in options.sources.split(","))
    except ValueError:
        complain(f"--sources takes log, trap and poll, not {options.sources}")
        return WRONG
    settings = None
    read_as: dict[Path, analyze.ReadAs] = {}
    if not options.paths and not options.collector:
        options.wrong_use("the following arguments are required: PATH")
    named = [tuple(text.partition("=")[::2]) for text in options.collector]
    if options.config is not None:
        from hamon.cli.tails import read_as_of, tails_of  # with the whole configuration, which takes longer to load than all else

        loaded = loaded_by(options)
        rules = load_all(loaded.rules.paths)
        tails = tails_of(loaded)
        if unknown := [name for name, path in named if name not in tails or not path]:
            complain(f"--collector takes NAME=PATH, with NAME of a table [collect.log_tail.NAME] of the configuration, not {unknown[0]}")
            return WRONG
        read_as = read_as_of(tails, named, options.paths)
        if options.cluster in loaded.cluster:
            settings = loaded.cluster[options.cluster].settings(options.cluster)
    else:
        if named:
            complain("--collector needs --config: the collector stands there")
            return WRONG
        rules = load_all()
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
        complain(str(err))
        return WRONG
    if options.report is not None:
        text = analyze.to_report(found, options.report.suffix, options.lang, options.timezone, SystemClock().now())
        if not wrote(options.report, text):
            return WRONG
    if options.format == "json":
        json.dump(analyze.to_json(found, options.lang), sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        print(analyze.to_text(found, options.lang, options.timezone))
    return OK


def _progress(done: int, total: int) -> None:
    if total > 20_000_000:
        width = int(40 * done / total)
        end = "\n" if done >= total else ""
        print(f"\r[{'#' * width}{'.' * (40 - width)}] {done // 1_000_000} of {total // 1_000_000} MB", end=end, file=sys.stderr, flush=True)
