"""Two nodes, where the promotable clone is a service too: its promoted instance follows the group, its replica stands by."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.cluster import happenings_elsewhere
from tests.cluster.beside import Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.configuration import Settings
from tests.cluster.course import goes_right
from tests.cluster.elsewhere import made
from tests.cluster.happenings import Happening, Lab
from tests.cluster.namespaces import entered

pytestmark = [pytest.mark.full, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(tmp_path_factory, ("pm01", "pm02"), Settings(with_replica=True)) as rack, entered(rack.monitor):
        yield rack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watch(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watch]:
    async with watched(tmp_path_factory.mktemp("beside"), cluster) as beside:
        yield beside


@pytest.mark.parametrize("happening", happenings_elsewhere.of(Lab.REPLICA), ids=lambda one: one.name)
async def test_everybody_hears_once_what_happened_and_once_that_it_is_over(watch: Watch, happening: Happening) -> None:
    await goes_right(watch, happening)
