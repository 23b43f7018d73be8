"""Clusters beside the pair that most tests share, each for the tests of one module."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.cluster.cluster import PROGRAMS, Cluster
from tests.cluster.configuration import Settings
from tests.peers import missing, need


@contextmanager
def made(factory: pytest.TempPathFactory, nodes: Sequence[str], settings: Settings) -> Iterator[Cluster]:
    """A cluster in which everything runs."""
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    with Cluster(factory.mktemp("cluster") / "rack", nodes, settings) as cluster:
        cluster.is_ready()
        yield cluster
