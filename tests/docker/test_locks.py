"""The lock files hold all that pyproject.toml asks for, with hashes, and tell nothing of where it was fetched."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hamon.data import folder

ROOT = folder("docker").parent
RUNTIME, DEVELOPMENT, BUILD = ROOT / "requirements.lock", ROOT / "requirements-dev.lock", ROOT / "docker" / "requirements-build.lock"
LOCKS = [RUNTIME, DEVELOPMENT, BUILD]


def normal(name: str) -> str:
    """The name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path) -> dict[str, str]:
    """Names and versions."""
    return {normal(name): version for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE)}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def check(requirement: str, lock: Path) -> None:
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?(?:>=([0-9.]+))?(?:,<([0-9.]+))?", requirement)
    assert match, f"this test does not understand {requirement}"
    name, least, below = match.groups()
    version = locked(lock).get(normal(name))
    assert version is not None, f"{name} is not in {lock.name}: make the lock anew, see docker/README.md"
    assert numbers(version) >= numbers(least or "0"), f"{name} {version} in {lock.name} is older than {least}"
    assert below is None or numbers(version) < numbers(below), f"{name} {version} in {lock.name} is not below {below}"


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda lock: lock.name)
def test_every_dependency_is_locked(lock: Path) -> None:
    extras = [one for some in project()["project"]["optional-dependencies"].values() for one in some]
    for requirement in [*project()["project"]["dependencies"], *extras]:
        check(requirement, lock)


def test_every_tool_of_development_is_locked() -> None:
    for requirement in project()["dependency-groups"]["dev"]:
        check(requirement, DEVELOPMENT)


def test_what_builds_the_package_is_locked() -> None:
    for requirement in project()["build-system"]["requires"]:
        check(requirement, BUILD)


def test_development_and_production_run_the_same_versions() -> None:
    runtime, development = locked(RUNTIME), locked(DEVELOPMENT)
    assert {name: development.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_has_a_hash_and_no_line_tells_an_address(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) >= 6
    for entry in entries:
        assert re.match(r"\S+==\S+", entry)
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.split()[0]
    assert not re.search(r"://|^-|index|find-links", text, re.MULTILINE)
