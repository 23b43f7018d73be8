"""A living cluster, hamon beside it, and everybody whom it tells: each happening from the injury to its last consequence."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster import happenings
from tests.cluster.beside import Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.happenings import HAPPENINGS, Happening
from tests.cluster.judge import delay, faults, noticed
from tests.cluster.pages import the_debt_is_open, the_debt_is_paid
from tests.gateway.harness import now
from tests.truth import mains

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = (
    happenings.resource_failure,
    happenings.switchover_by_standby,
    happenings.link_cut,
    happenings.standby_power_loss,
    happenings.active_power_loss,
    happenings.ping_lost_on_standby,
    happenings.recovery_in_place,
    happenings.maintenance,
)
"""Eight for every run of the tests, chosen for breadth."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watch(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watch]:
    async with watched(tmp_path_factory.mktemp("beside"), cluster) as made:
        yield made


def marked(happening: Happening) -> object:
    quick = any(happening.injure is one for one in QUICK)
    return pytest.param(happening, id=happening.name, marks=() if quick else pytest.mark.full)


@pytest.mark.parametrize("happening", [marked(one) for one in HAPPENINGS.values()])
async def test_everybody_hears_once_what_happened_and_once_that_it_is_over(watch: Watch, happening: Happening) -> None:
    since = await watch.is_whole()
    roles = await watch.do(happenings.roles, watch.cluster)
    injured = now()
    await watch.do(happening.injure, watch.cluster, roles)
    await the_debt_is_open(watch, happening, roles)
    await watch.do(watch.cluster.repair)
    incidents = await watch.over(since, happening.expected)
    found = await faults(watch, happening, roles, since, incidents)
    assert not found, "\n".join(found)
    await the_debt_is_paid(watch, happening, roles, incidents)
    for main in mains(incidents):
        if main["kind"] == happening.expected.kind:
            print(f"{happening.name}: noticed after {noticed(main, injured):.1f} s, told {delay(watch, main):.3f} s after the last message")
