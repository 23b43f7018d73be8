"""One cluster for all tests of this folder; each module lives in the network of its monitor host."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import PROGRAMS, Cluster
from tests.cluster.namespaces import entered
from tests.peers import missing, need


@pytest.fixture(scope="package")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    with Cluster(tmp_path_factory.mktemp("cluster") / "rack") as made:
        made.is_ready()
        yield made


@pytest.fixture(scope="module")
def cluster(rack: Cluster) -> Iterator[Cluster]:
    with entered(rack.monitor):
        yield rack
