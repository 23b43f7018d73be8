"""What the Markdown says is so: options, commands, rules, addresses, links, examples. And what must not stand anywhere does not."""

import argparse
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamon import cli, config, data
from hamon.classify.match import answer
from hamon.classify.read import READINGS
from hamon.classify.texts import LogMatcher
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind
from hamon.rules.check import check
from hamon.rules.load import load_all
from hamon.rules.own import ChangeEntry, IncidentEntry
from hamon.rules.schema import RuleEntry
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.peers import need
from tests.web.conftest import application

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULES = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")


def tracked() -> list[Path]:
    """The files of the project."""
    listed = subprocess.run(
        [need("git"), "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, timeout=60
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def first_cells(text: str, heading: str) -> list[str]:
    """What stands in backticks in the first column of the first table under a heading."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = section[section.index("\n|") :].split("\n\n", 1)[0]
    return [name for row in rows.splitlines() if row.startswith("| `") for name in re.findall(r"`([^`]+)`", row.split(" |")[0])]


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands that can be given, without those that only group others."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for inner in group.choices.values():
            yield from commands(inner)


def test_the_readme_has_the_options_as_the_models_have_them() -> None:
    found = re.search(r"<!-- options:.*?-->\n(.*?)<!-- end of options -->", README, re.DOTALL)
    assert found is not None
    assert found[1] == config.options_table()


def test_the_readme_has_every_command_with_every_option() -> None:
    rows = [row for row in README.splitlines() if row.startswith("| `hamon ")]
    documented = {row.split("`")[1].split(" ")[1] for row in rows}
    given = list(commands(cli.parser_for()))
    assert documented == {command.prog.split()[1] for command in given}
    for command in given:
        row = next((row for row in rows if row.startswith((f"| `{command.prog} ", f"| `{command.prog}`"))), None)
        assert row is not None, command.prog
        told = [action for action in command._actions if action.help is not argparse.SUPPRESS]
        options = {text for action in told for text in action.option_strings if text.startswith("--")} - {"--help"}
        assert options == set(re.findall(r"--[a-z-]+", row)), command.prog


async def test_the_readme_names_every_address_of_the_api_with_its_parameters(tmp_path: Path) -> None:
    rows = dict(re.findall(r"^\| `(/api/v1/[^`]*)` \| (.*) \|$", README, re.MULTILINE))
    store = SqlStore(f"sqlite:///{tmp_path / 'hamon.db'}", clock=FakeClock())
    described = application(store).openapi()["paths"]
    await store.close()
    assert set(rows) - {"/api/v1/openapi.json"} == set(described)
    for path, operations in described.items():
        asked = {parameter["name"] for parameter in operations["get"].get("parameters", []) if parameter["in"] == "query"}
        named = set(re.findall(r"`([a-z_]+)`", rows[path]))
        assert asked == named or path.endswith("{key}"), path


def test_the_readme_names_only_targets_that_make_has() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) | set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)) <= targets
    for variable in re.findall(r"`make run ([A-Z]+)=", README):
        assert f"\n{variable} ?=" in makefile


def test_the_configurations_of_the_readme_load(tmp_path: Path) -> None:
    """One is complete; each of the others is added to it."""
    samples = [text for text in fenced(README, "toml") if "[collect." in text]
    (complete,) = (text for text in samples if "[cluster.pg]" in text)
    for number, sample in enumerate(samples):
        file = tmp_path / f"{number}.toml"
        text = (complete + sample if sample != complete else sample).replace("/etc/hamon/", f"{tmp_path}/")
        for secret in re.findall(r'_file = "(.*?)"', text):
            Path(secret).write_text("not so secret\n", encoding="utf-8")
        file.write_text(text, encoding="utf-8")
        loaded = config.load(file, {})
        assert {kind for kind, _, _ in loaded.notifiers()} == {"smtp"}
        assert {problem.id for problem in config.warnings(loaded)} <= {"secret-file-world-readable"}


def test_the_rules_readme_lists_the_files_of_the_folder() -> None:
    listed = re.findall(r"^\| `([a-z_]+\.toml)` \|", RULES, re.MULTILINE)
    assert listed == sorted(path.name for path in data.folder("rules").glob("*.toml"))


def test_the_rules_readme_lists_all_keys_readings_and_kinds() -> None:
    assert sorted(first_cells(RULES, "Keys of a rule")) == sorted(RuleEntry.model_fields)
    for heading, entry in (("An incident of your own", IncidentEntry), ("Something else than hamon makes of it", ChangeEntry)):
        assert set(first_cells(RULES, heading)) - {f"[[{entry.__name__.removesuffix('Entry').lower()}]]"} == set(entry.model_fields)
    assert first_cells(RULES, "Readings") == ["read", *READINGS]
    section = RULES.split("\n## Kinds of events\n", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"`([a-z_]+)`", section)) == set(EventKind)


def test_the_readme_of_the_rules_names_every_kind_of_incident() -> None:
    section = RULES.split("\n## Kinds of incidents\n", 1)[1].split(":\n", 1)[1]
    assert set(re.findall(r"`([a-z_]+)`", section)) == set(IncidentKind)


RULE_FILES = [text for text in fenced(RULES, "toml") if re.search(r"^\[\[(rule|incident|change)\]\]\nid = ", text, re.MULTILINE)]


@pytest.mark.parametrize("shown", RULE_FILES, ids=lambda text: re.findall(r'id = "([^"]*)"', text)[0])
def test_the_rules_that_the_rules_readme_shows_are_good_ones(tmp_path: Path, shown: str) -> None:
    (tmp_path / "own.toml").write_text(shown, encoding="utf-8")
    rules = load_all([tmp_path])
    matcher = LogMatcher(rules)
    found = check(
        rules, lambda rule, line: answer(matcher.of_rule(rule), rule, line), lambda rule, line: rule.pattern.search(line) is not None
    )
    assert list(found) == []
    given = [item["id"] for table in tomllib.loads(shown).values() for item in table]
    mine = [(item.id, item.file) for group in (rules.rules, rules.own.incidents, rules.own.changes) for item in group]
    assert given == [name for name, file in mine if file == str(tmp_path / "own.toml")]


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    wrong = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith(("https://", "http://")):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            there = file.exists()
            if there and anchor:
                there = anchor in {slug(heading) for heading in re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)}
            if not there:
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
    assert wrong == []


def test_every_folder_at_the_top_is_described_in_the_readme() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    described = set(re.findall(r"^\| `([a-z]+)/` \|", README, re.MULTILINE))
    assert described == {name for name in folders if not name.startswith(".")}


def test_pictures_are_small() -> None:
    pictures = [path for path in tracked() if path.suffix == ".png" and path.parent.name == ".github"]
    assert [path.name for path in pictures] == ["incident-page.png", "overview-page.png"]
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 300_000, picture.name


# Written in parts, so that this file does not hold what it looks for.
_REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.com", "deb." + "debian.org"]
_PLACES = [f"/{name}/" for name in ("work", "root")]
_WORDS = ["clau" + "de", "anth" + "ropic", "open" + "ai", "chat" + "gpt", "co" + "pilot", "language " + "model", "co-" + "authored-by"]


@pytest.mark.parametrize("forbidden", [*_REGISTRIES, *_PLACES, *_WORDS])
def test_nothing_tells_of_the_place_where_it_was_made(forbidden: str) -> None:
    pattern = re.compile(rf"(?<![\w.]){re.escape(forbidden)}" if forbidden in _PLACES else re.escape(forbidden), re.IGNORECASE)
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        if pattern.search(content.decode("utf-8", "replace")):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_no_page_names_a_temporary_folder() -> None:
    assert [str(page.relative_to(ROOT)) for page in pages() if re.search(r"(?<!\w)/tmp/\w", page.read_text(encoding="utf-8"))] == []
