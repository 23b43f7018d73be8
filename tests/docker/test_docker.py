"""The files that run hamon as a service, read by the programs that will use them, and by rules of our own."""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hamon.cli import parsed
from hamon.cli.logconv import MISSING
from hamon.cli.options import WRONG
from hamon.config import load, state_directory
from hamon.data import folder
from tests.peers import need

ROOT = folder("docker").parent
DOCKER = ROOT / "docker"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def last_stage() -> dict[str, str]:
    """The instructions of the image itself; of several of one kind the last."""
    stages = [index for index, (name, _) in enumerate(instructions()) if name == "FROM"]
    return dict(instructions()[stages[-1] :])


def sent_to_the_builder(path: str) -> bool:
    """Whether the ignore file lets a path through: the last pattern that matches it or a folder above it decides."""
    parents = [path, *(str(parent) for parent in Path(path).parents)]
    verdict = True
    for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and any(fnmatch.fnmatchcase(parent, pattern) for parent in parents):
            verdict = line.startswith("!")
    return verdict


def compose(*names: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name in names:
        for section, entries in yaml.safe_load((DOCKER / name).read_text()).items():
            for entry, value in entries.items():
                merged.setdefault(section, {}).setdefault(entry, {}).update(value or {})
    return merged


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [need("hadolint"), "--no-color", str(DOCKER / "Dockerfile")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_image_runs_without_root_and_without_a_shell_in_between() -> None:
    image = last_stage()
    assert re.fullmatch(r"\d+:\d+", image["USER"])
    assert not image["USER"].startswith("0:")
    assert image["ENTRYPOINT"] == '["hamon"]'
    assert image["CMD"] == '["run", "--config", "/etc/hamon/hamon.toml"]'
    assert image["STOPSIGNAL"] == "SIGTERM"
    assert image["VOLUME"] == "/var/lib/hamon"
    assert "/healthz" in image["HEALTHCHECK"]


def test_hamon_takes_the_variables_of_the_image_and_of_compose(tmp_path: Path) -> None:
    """And listens at the port that the image exposes, the health check asks and compose publishes."""
    image = last_stage()
    environ = dict(pair.split("=", 1) for pair in shlex.split(image["ENV"]))
    services = compose("compose.yaml", "compose.postgresql.yaml")["services"]
    secret = tmp_path / "store_url"
    secret.write_text("postgresql://hamon:secret@database/hamon")
    for name in ("hamon", "upgrade"):
        environ |= {key: value.replace("/run/secrets", str(tmp_path)) for key, value in services[name]["environment"].items()}
    loaded = load(None, environ)
    assert loaded.web.address.host == "0.0.0.0"
    port = str(loaded.web.address.port)
    assert port == image["EXPOSE"]
    assert f":{port}/healthz" in image["HEALTHCHECK"]
    assert services["hamon"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert state_directory(environ) == Path(image["VOLUME"])


def test_every_package_in_the_image_has_a_hash() -> None:
    installs = [part.strip() for name, line in instructions() if name == "RUN" for part in line.split("&&") if "pip install" in part]
    assert installs
    for install in installs:
        arguments = shlex.split(install)
        assert "--require-hashes" in arguments or {"--no-deps", "--no-index"} <= set(arguments), install


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder() -> None:
    copied = [source for name, line in instructions() if name == "COPY" and "--from" not in line for source in line.split()[:-1]]
    assert "hamon" in copied
    for source in copied:
        assert source == "README.md" or (ROOT / source).exists(), source
        assert sent_to_the_builder(source), source


@pytest.mark.parametrize(
    "path", [".git/config", "state/hamon.db", "docker/hamon.toml", "docker/secrets/store_url", "hamon/__pycache__/cli.pyc"]
)
def test_secrets_and_litter_are_not_sent_to_the_builder(path: str) -> None:
    assert not sent_to_the_builder(path)


def test_all_data_folders_of_the_package_are_copied() -> None:
    copied = {source for name, line in instructions() if name == "COPY" and "--from" not in line for source in line.split()[:-1]}
    package = (ROOT / "pyproject.toml").read_text()
    data = re.findall(r'^(\w+) = "hamon/data/\w+"$', package, re.MULTILINE)
    assert data
    assert set(data) <= copied


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.postgresql.yaml")], ids=["sqlite", "postgresql"])
def test_compose_resolves_the_files(files: tuple[str, ...], tmp_path: Path) -> None:
    """With the plugin of docker where there is one, else with the older program of its own."""
    docker = shutil.which("docker")
    has_plugin = (
        docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=30).returncode == 0
    )
    command = [str(docker), "compose"] if has_plugin else [need("docker-compose")]
    arguments = [part for name in files for part in ("-f", str(DOCKER / name))]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HACLIENT_GID": "990"}
    done = subprocess.run([*command, *arguments, "config"], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    resolved = yaml.safe_load(done.stdout)["services"]
    assert [str(group) for group in resolved["hamon"]["group_add"]] == ["990"]
    assert set(resolved) == set(compose(*files)["services"])


def test_logs_are_mounted_read_only_and_pages_are_published_to_this_host_only() -> None:
    hamon = compose("compose.yaml")["services"]["hamon"]
    assert hamon["read_only"] is True
    assert hamon["cap_drop"] == ["ALL"]
    assert hamon["ports"] == ["127.0.0.1:8470:8470"]
    mounts = [mount for mount in hamon["volumes"] if "/var/log" in mount]
    assert len(mounts) == 2
    assert all(mount.endswith(":ro") for mount in mounts)


def test_secrets_are_files_and_hamon_waits_for_its_database() -> None:
    services = compose("compose.yaml", "compose.postgresql.yaml")["services"]
    for service in services.values():
        for name in service.get("environment", {}):
            assert not re.search(r"PASSWORD|SECRET|TOKEN|URL", name) or name.endswith("_FILE"), name
    assert services["hamon"]["depends_on"]["database"] == {"condition": "service_healthy"}
    assert services["hamon"]["depends_on"]["upgrade"] == {"condition": "service_completed_successfully"}
    assert "pg_isready" in services["database"]["healthcheck"]["test"]


UNITS = {"hamon.service": 20, "hamon-logconv.service": 25}
"""The units, and how far each may be exposed: the second runs as root, who alone may read the log of a node."""


def unit_with_a_program_that_exists(name: str, tmp_path: Path) -> Path:
    """A copy of the unit in which /opt/hamon is here: systemd-analyze wants to see the program."""
    text = (DOCKER / name).read_text()
    assert text.count("/opt/hamon/bin/hamon") == 1
    unit = tmp_path / name
    unit.write_text(text.replace("/opt/hamon/bin/hamon", sys.executable))
    return unit


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_in_the_unit(name: str, tmp_path: Path) -> None:
    command = [need("systemd-analyze"), "verify", str(unit_with_a_program_that_exists(name, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    about_ours = [line for line in (done.stdout + done.stderr).splitlines() if "hamon" in line]
    assert (done.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_well_hardened(name: str, tmp_path: Path) -> None:
    """systemd's own measure of exposure, from 0 (none) to 10; a unit without any hardening has 9.6."""
    unit = unit_with_a_program_that_exists(name, tmp_path)
    command = [need("systemd-analyze"), "security", "--offline=true", f"--threshold={UNITS[name]}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_of_the_converter_starts_it_as_the_command_line_has_it() -> None:
    text = (DOCKER / "hamon-logconv.service").read_text()
    command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).split()
    options = parsed(command[1:])
    assert options.follow
    assert str(options.status).startswith("/var/lib/hamon-logconv/")
    assert f"RestartPreventExitStatus={WRONG} {MISSING}" in text.splitlines()


def test_the_unit_has_what_hamon_needs_to_run() -> None:
    lines = (DOCKER / "hamon.service").read_text().splitlines()
    for needed in ("Type=notify", "DynamicUser=yes", "SupplementaryGroups=haclient", "StateDirectory=hamon", "ProtectSystem=strict"):
        assert needed in lines
    assert any(line.startswith("#LoadCredential=") for line in lines)
    assert any(line.startswith("ExecReload=") and "-HUP" in line for line in lines)


def test_the_readme_names_every_file() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", (DOCKER / "README.md").read_text(), re.MULTILINE))
    assert listed == {file.name for file in DOCKER.iterdir() if file.suffix != ".md" and file.name not in ("hamon.toml", "secrets")}
