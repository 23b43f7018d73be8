"""The processing on a real history, fed by hand: what it is given is in the database when `give` returns."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.metrics import Metrics
from hamon.model.observation import Observation
from hamon.pipeline import Processor
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.cases import rules
from tests.fakes import FakeClock

TAKEN_OVER = b"""\
Nov 22 11:59:50 n1   info: Resource prmPg started. (rc=0) ok
Nov 22 11:59:51 n1  error: Disk connection to /dev/sdb is ERROR. (attr_name=diskcheck_status)
Nov 22 11:59:52 n2 warning: Node n1 is lost
Nov 22 11:59:52 n2  error: Start to fail-over.
Nov 22 11:59:53 n2   info: Resource prmPg started. (rc=0) ok
"""
"""pm_logconv-cs 2.1: n1 is lost, and n2 has taken over; nobody is left that could take over from it."""


class Processing:
    """A processor on `hamon.db` of a folder, for these clusters. `restart` is what a kill and a new start are: memory is gone."""

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        *clusters: ClusterSettings,
        targets: Sequence[Target] = (),
        kind: type[Processor] = Processor,
    ) -> None:
        url = f"sqlite:///{folder / 'hamon.db'}"
        migrate.upgrade(url)
        self.clock = clock
        self.store = SqlStore(url, clock=clock)
        self._settings = {one.name: one for one in clusters}
        self._targets = targets
        self._kind = kind
        self._begin()

    def _begin(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, "test")
        self.processor = self._kind(self._settings, rules(), self.store, self._targets, self.clock, self.metrics, recorded=lambda new: None)

    async def restart(self) -> None:
        self._begin()
        await self.processor.restore()

    async def give(self, *observations: Observation) -> None:
        await self.processor._record(await self.processor._process([*observations]))

    async def __aenter__(self) -> Self:
        await self.processor.restore()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.store.close()
