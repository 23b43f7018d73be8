"""A living cluster, hamon beside it, and everybody whom it tells: each happening from the injury to its last consequence."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster import happenings
from tests.cluster.beside import Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS, Happening

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
    await goes_right(watch, happening)
