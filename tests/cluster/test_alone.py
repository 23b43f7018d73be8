"""hamon has one kind of evidence only: what it takes until people hear of a failover."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import happenings
from tests.cluster.beside import Incident, watched
from tests.cluster.cluster import Cluster
from tests.cluster.detection import MEASURED, Detection
from tests.cluster.happenings import HAPPENINGS, SETTLE_SECONDS, roles
from tests.cluster.judge import TOLD_SECONDS, delay, noticed
from tests.gateway.harness import eventually, now

TWO_POLLS_SECONDS = 2.0
"""The newest entry of an opening is when the cluster did it; polls see that later, and the second of them decides."""
ALONE: dict[str, dict[str, Any]] = {
    "logs": {"traps": False, "polls": False},
    "traps": {"logs": (), "polls": False},
    "polls": {"logs": (), "traps": False},
}


@pytest.mark.full
@pytest.mark.parametrize("evidence", ALONE)
async def test_a_failover_is_told_soon_by_one_kind_of_evidence_alone(cluster: Cluster, tmp_path: Path, evidence: str) -> None:
    async with watched(tmp_path, cluster, **ALONE[evidence]) as watch:
        if not await watch.do(cluster.is_whole):
            await watch.do(cluster.repair)
        if evidence != "traps":  # traps tell only what changes
            await watch.is_calm()
        for happening in (happenings.resource_failure, happenings.active_power_loss):
            since, at = now(), await watch.do(roles, cluster)
            await watch.do(happening, cluster, at)

            async def failover(since: datetime = since) -> list[Incident]:
                found = [one for one in await watch.since(since) if one["kind"] == "failover" and one["part_of"] is None]
                return [one for one in found if watch.told(one).posts and one["outcome"] == "succeeded"]

            (main,) = await eventually(failover, seconds=60)
            assert (main["from_node"], main["to_node"], main["planned"]) == (at.active, at.standby, False)
            after = delay(watch, main)
            assert after is not None
            assert after < TOLD_SECONDS + SETTLE_SECONDS + (TWO_POLLS_SECONDS if evidence == "polls" else 0)
            MEASURED.append(Detection(HAPPENINGS[happening.__name__].name, noticed(main, since), after, f"{evidence} alone"))
            await watch.do(cluster.repair)
