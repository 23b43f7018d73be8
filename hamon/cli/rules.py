"""`hamon rules`: check rules, say what they make of lines and traps, run cases."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hamon import data, explain, rule_cases
from hamon.classify.examples import wrong_examples
from hamon.cli.options import OK, REFUSED, WRONG, Commands, complain, language_option, loaded_by, zone
from hamon.cli.slow import slow_on
from hamon.cli.tails import read_as_of, tails_of
from hamon.clock import SystemClock
from hamon.rules.check import Finding
from hamon.rules.load import load_all
from hamon.rules.schema import Rule
from hamon.tell.words import clean


def add_parsers(commands: Commands) -> None:
    """Put these commands among the others."""
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
    explaining.add_argument("--timezone", default="UTC", type=zone, metavar="ZONE", help="zone of stamps that have none (default UTC)")
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


def _rule_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules", type=Path, action="append", default=[], metavar="FOLDER", help="a folder with rules of your own, tried before hamon's"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration whose rules are used")
    language_option(parser)


def _own_rules(options: argparse.Namespace) -> list[Path]:
    """The folders with the user's rules, as the options name them."""
    configured = list(loaded_by(options).rules.paths) if options.config is not None else []
    return [*options.rules, *configured]


def _rules_check(options: argparse.Namespace) -> int:
    rules = load_all(options.folders)
    findings = [
        *wrong_examples(rules),
        *_slow([rule for rule in rules.rules if any(Path(rule.file).is_relative_to(folder) for folder in options.folders)]),
    ]
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} example(s) are not as the rules say")
        return REFUSED
    print(f"{len(rules)} rules, {rules.example_count} examples: all as they say")
    for folder in options.folders:
        if not any(folder.glob("*.toml")):
            complain(f"{folder} has no rules: they stand in files whose names end in .toml")
    return OK


def _slow(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        for line in (*(example.line for example in rule.examples), *(counter.line for counter in rule.counter_examples)):
            if (found := slow_on(rule.pattern, line)) is not None:
                yield Finding(
                    file=rule.file,
                    rule=rule.id,
                    line=clean(found, 200),
                    message="match: takes ever longer the longer a line like this is; do not repeat what repeats itself, as in (a+)+",
                )
                break


def _rules_explain(options: argparse.Namespace) -> int:
    if not options.lines and not options.file:
        complain("nothing to explain; give a LINE, - for standard input, or --file FILE")
        return WRONG
    rules = load_all(_own_rules(options))
    known = {*(rule.id for rule in rules.rules), *(trap.id for trap in rules.traps)}
    if unknown := [rule for rule in options.rule if rule not in known]:
        complain(f"no rule has the id {unknown[0]}")
        return WRONG
    read_as = None
    if options.collector is not None:
        loaded = loaded_by(options) if options.config is not None else None
        tails = tails_of(loaded) if loaded is not None else {}
        if options.collector not in tails:
            complain(f"--collector takes the name of a table [collect.log_tail.NAME] of --config FILE, not {options.collector}")
            return WRONG
        (read_as,) = read_as_of(tails, [(options.collector, tails[options.collector].paths[0])], []).values()
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
        complain(f"{err.filename or 'the input'} cannot be read: {err.strerror or err}")
        return WRONG
    return OK if all_taken else REFUSED


def _rules_test(options: argparse.Namespace) -> int:
    for folder in options.cases:
        if not folder.exists():
            complain(f"{folder}: no such file or folder")
            return WRONG
    paths = [path for folder in options.cases for path in rule_cases.find(folder)]
    if not paths:
        complain(f"no case in {', '.join(map(str, options.cases))}; a case is a TOML file, or a folder with {rule_cases.FOLDER_CASE}")
        return WRONG
    folders = _own_rules(options)
    load_all(folders)  # what is wrong with them is not the fault of each case
    runner = rule_cases.Runner(folders, data.folder("rules"), os.environ, options.lang)
    results = [runner.run(path) for path in paths]
    if options.format == "json":
        print(json.dumps(rule_cases.to_json(results), ensure_ascii=False, indent=1))
    elif options.format == "junit":
        print(rule_cases.to_junit(results))
    else:
        print(rule_cases.to_text(results, options.lang))
    return REFUSED if any(result.failures for result in results) else OK
