"""The cookbook of rules/README.md: each recipe, as it stands there, is a good rule file, and its case is as it says."""

import re
import tomllib
from pathlib import Path

import pytest

from hamon import config, data
from hamon.classify.match import answer
from hamon.classify.texts import LogMatcher
from hamon.model.incident import Severity
from hamon.rule_cases import Runner
from hamon.rules.check import check
from hamon.rules.load import load_all

README = (Path(__file__).parents[2] / "rules" / "README.md").read_text(encoding="utf-8")
COOKBOOK = README.split("\n## Cookbook\n", 1)[1].split("\n## ", 1)[0]
RECIPES = dict(re.findall(r"^### \d+\. (.*?)\n(.*?)(?=^### |\Z)", COOKBOOK, re.MULTILINE | re.DOTALL))
SHOWN_ABOVE = next(
    text for text in re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if 'id = "pg-out-of-files"' in text
)


def blocks(recipe: str) -> tuple[list[str], list[str], list[str]]:
    """The rule files, the cases and the configurations that a recipe shows."""
    found = re.findall(r"^```toml\n(.*?)^```$", RECIPES[recipe], re.MULTILINE | re.DOTALL)
    cases = [text for text in found if re.search(r"^\[(log|text\..*)\]$", text, re.MULTILINE)]
    configured = [text for text in found if re.search(r"^\[notify\.", text, re.MULTILINE)]
    return [text for text in found if text not in cases and text not in configured], cases, configured


def test_there_are_at_least_fifteen_recipes_each_with_its_case() -> None:
    assert len(RECIPES) >= 15
    for recipe in RECIPES:
        _, cases, configured = blocks(recipe)
        assert len(cases) + len(configured) >= 1, recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_does_what_it_says(recipe: str, tmp_path: Path) -> None:
    rules, cases, configured = blocks(recipe)
    for text in configured:
        file = tmp_path / "hamon.conf"
        file.write_text(text, encoding="utf-8")
        assert config.load(file, {}).notify
    if not cases:
        return
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.toml").write_text("\n".join(rules or [SHOWN_ABOVE]), encoding="utf-8")
    loaded = load_all([folder])
    matcher = LogMatcher(loaded)
    found = check(loaded, lambda rule, line: answer(matcher.of_rule(rule), rule, line), lambda rule, line: bool(rule.pattern.search(line)))
    assert list(found) == []
    runner = Runner([folder], data.folder("rules"), {})
    for number, text in enumerate(cases):
        case = tmp_path / f"{number}.toml"
        case.write_text(text, encoding="utf-8")
        assert runner.run(case).failures == ()
        assert tomllib.loads(text).get("incident") is not None
    without = Runner([], data.folder("rules"), {}).run(tmp_path / "0.toml")
    assert without.failures, "the case is the same without the recipe"


def test_every_severity_that_a_rule_may_give_is_documented() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `severity` | no | of the incident that the event opens"))
    assert set(re.findall(r"`(\w+)`", row)) - {"severity"} == set(Severity)
