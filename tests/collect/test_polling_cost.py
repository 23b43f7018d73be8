"""Polling many clusters costs little, and none waits for the others."""

import pytest

from tests.bench.polls import TARGET, measure


@pytest.mark.parametrize("changing", [False, True], ids=["nothing changes", "every answer is new"])
async def test_200_clusters_polled_every_30_s_need_less_than_a_quarter_of_a_core(changing: bool) -> None:
    """Measured with a tenth of the clusters, each polled so much more often."""
    cost = await measure(20, 3.0, 9.0, changing=changing)
    assert cost.polls >= 20
    assert cost.of_a_core(200, 30.0) < TARGET
