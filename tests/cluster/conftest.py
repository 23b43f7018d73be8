"""One cluster for most tests of this folder; each module lives in the network of its monitor host. At the end the times are shown."""

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.configuration import Settings
from tests.cluster.detection import MEASURED, table
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MEASURED:
        terminalreporter.section("how fast it was noticed and told")
        for line in table(MEASURED):
            terminalreporter.write_line(line)
