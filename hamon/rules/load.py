"""Rule files to a RuleSet. A file that is wrong refuses the whole set, with file, rule and reason."""

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hamon import data
from hamon.errors import RuleError
from hamon.rules.own import Own, check_names, compile_change, compile_incident
from hamon.rules.schema import ABSENT, Rule, RuleFile, RuleSet, TrapRule, compile_rule, compile_trap

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_PROBLEMS = 8
"""Of one rule that are named at once."""
MAX_LISTED = 10
"""Words of a choice that a message lists; of more it names the place where they stand."""

_SHOULD = re.compile(r"^[A-Z]\w+ should\b")
_FORMS = {
    "id": "must be of lower-case letters, digits and -, and begin with a letter or digit",
    "notification": 'must be a name that hamon knows, or a number such as "1.3.6.1.4.1.99999.0.7"; one that ends in ".*" is all below it',
}
_FIELD_FORM = "must be the name of a field: letters, digits and _"
_OBJECT_FORM = 'must be a name of letters, digits and -, or a number such as "1.3.6.1.4.1.99999.1.1"'


def load_file(path: Path) -> RuleSet:
    """Read one rule file. Raises RuleError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RuleError(str(path), None, f"larger than {MAX_FILE_BYTES} bytes; split it")
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise RuleError(str(path), None, f"cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise RuleError(str(path), None, f"not UTF-8 at byte {err.start}") from err
    except tomllib.TOMLDecodeError as err:
        raise RuleError(str(path), None, f"not TOML: {err}") from err
    try:
        content = RuleFile.model_validate(found)
    except ValidationError as err:
        raise _refused(path, found, err.errors(include_url=False)) from err
    return RuleSet(
        tuple(compile_rule(entry, str(path)) for entry in content.rule),
        tuple(compile_trap(entry, str(path)) for entry in content.trap),
        ABSENT | frozenset(content.absent),
        Own(
            tuple(compile_incident(entry, str(path)) for entry in content.incident),
            tuple(compile_change(entry, str(path)) for entry in content.change),
        ),
    )


def _refused(path: Path, found: dict[str, Any], problems: Sequence[ErrorDetails]) -> RuleError:
    """All that is wrong with the first table that is; what is wrong with others is told when this one is right."""
    table = problems[0]["loc"][:2]
    rule_id = None
    if len(table) > 1 and isinstance(table[1], int):
        raw = found[str(table[0])][table[1]]
        rule_id = str(raw.get("id", f"number {table[1] + 1}")) if isinstance(raw, dict) else f"number {table[1] + 1}"
    told = []
    for problem in problems:
        if problem["loc"][:2] != table:
            continue
        place = problem["loc"] if rule_id is None else problem["loc"][2:]
        where = ".".join(str(part) for part in place if part != "[key]")
        told.append(f"{where}: {said(problem)}" if where else said(problem))
    return RuleError(str(path), rule_id, "; ".join(told[:MAX_PROBLEMS]))


def said(details: ErrorDetails) -> str:
    """What pydantic says, in plain words."""
    match details["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "no such key; rules/README.md has all of them"
        case "too_short":
            return "must have at least one entry"
        case "string_pattern_mismatch":
            return _form([part for part in details["loc"] if isinstance(part, str)])
        case "enum" | "literal_error":
            given, words = str(details["input"])[:60], re.findall(r"'([^']*)'", details["ctx"]["expected"])
            close = get_close_matches(given, words, 1)
            known = "those that rules/README.md lists" if len(words) > MAX_LISTED else ", ".join(words)
            return f'"{given}" is none of {known}' + (f'; did you mean "{close[0]}"?' if close else "")
        case _:
            return _SHOULD.sub("must", details["msg"].removeprefix("Value error, "))


def _form(place: Sequence[str]) -> str:
    """What a name must look like that stands at this place of a file."""
    if place[-1] == "[key]":
        return _FIELD_FORM if "where" in place else _OBJECT_FORM
    return _FORMS.get(place[-1], "is not a name in the form that rules/README.md gives")


def load_all(own: Sequence[Path] = ()) -> RuleSet:
    """The rules of the user's folders and those that come with hamon, the user's first. Raises RuleError."""
    return load([*own, data.folder("rules")])


def load(folders: Sequence[Path]) -> RuleSet:
    """Load all `*.toml` of the folders, in the order given and by name; the first folders' rules are tried first.

    Raises RuleError also for an id that stands twice, and for a name that is nowhere.
    """
    rules: list[Rule] = []
    traps: list[TrapRule] = []
    absent = ABSENT
    own = Own()
    seen: dict[str, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise RuleError(str(folder), None, "no such folder; name an existing one under [rules] paths")
        for path in sorted(folder.glob("*.toml")):
            found = load_file(path)
            for rule_id in (item.id for group in (found.rules, found.traps, found.own.incidents, found.own.changes) for item in group):
                if rule_id in seen:
                    raise RuleError(str(path), rule_id, f"this id already stands in {seen[rule_id]}; ids are unique")
                seen[rule_id] = str(path)
            rules += found.rules
            traps += found.traps
            absent |= found.absent
            own = Own(own.incidents + found.own.incidents, own.changes + found.own.changes)
    meanings: list[Rule | TrapRule] = [*rules, *traps]
    check_names(own, {rule.id: rule.fields for rule in meanings})
    severities = {rule.id: rule.severity for rule in meanings if rule.severity is not None}
    return RuleSet(tuple(rules), tuple(traps), absent, Own(own.incidents, own.changes, severities))
