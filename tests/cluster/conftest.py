"""One cluster for most tests of this folder; each module lives in the network of its monitor host. At the end the times are shown."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.configuration import Settings
from tests.cluster.detection import MEASURED, Detection, table
from tests.cluster.elsewhere import made
from tests.cluster.namespaces import entered


@pytest.fixture(scope="package")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(tmp_path_factory, ("pm01", "pm02"), Settings()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(rack: Cluster) -> Iterator[Cluster]:
    with entered(rack.monitor):
        yield rack


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes gives what it measured to the first."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["measured"] = [asdict(one) for one in MEASURED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    MEASURED.extend(Detection(**one) for one in getattr(node, "workeroutput", {}).get("measured", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MEASURED:
        terminalreporter.section("how fast it was noticed and told")
        for line in table(MEASURED):
            terminalreporter.write_line(line)
