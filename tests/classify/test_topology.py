"""What is shown of a cluster of which logs, traps and polls tell different things."""

from datetime import UTC, datetime

import pytest

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import PolledService, State, Story
from hamon.model.incident import IncidentKind, IncidentState, Severity

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)


@pytest.mark.parametrize(("state", "able"), [(IncidentState.OPEN, ()), (IncidentState.RESOLVED, ("pm02",))])
def test_nobody_can_take_over_across_a_cut_whichever_side_is_polled(state: IncidentState, able: tuple[str, ...]) -> None:
    """Two nodes without a link, neither of which could fence the other: asked is the standby, which holds itself to be fit."""
    known = State(now=NOW)
    known.polls.last_at = NOW
    known.polls.services["web"] = PolledService(members=["prmPg"], active=["pm01"], up=True, able=["pm02"])
    known.stories.append(
        Story(
            key="split",
            kind=IncidentKind.INTERCONNECT_DEGRADED,
            severity=Severity.MAJOR,
            detected_at=NOW,
            subject="split pm01 pm02",
            nodes=["pm01", "pm02"],
            state=state,
        )
    )
    (service,) = topology.view(known, ClusterSettings(name="c", services={"web": ("prmPg",)})).services
    assert service.active_node == "pm01"
    assert service.able_to_take_over == able
