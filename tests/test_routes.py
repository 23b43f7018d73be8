"""Who is told of what."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hamon.classify.routes import Target, plan
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Severity, Transition
from tests.notify.stories import AT, INCIDENT, step

OPS = Target(name="ops")


def told(transitions: Sequence[Transition], *targets: Target, known: dict[tuple[str, str], set[str]] | None = None) -> list[str]:
    return [delivery.id for delivery in plan(transitions, targets, AT, known)]


def test_every_noticed_step_goes_to_every_target_that_wants_it_in_order() -> None:
    steps = [step(), step(sequence=2, notice=None), step(sequence=3, notice=Notice.UPDATE), step(sequence=4, notice=Notice.CLOSING)]
    assert told(steps, OPS, Target(name="web_team")) == [
        "web/failover/grpPg/1/ops",
        "web/failover/grpPg/1/web_team",
        "web/failover/grpPg/3/ops",
        "web/failover/grpPg/3/web_team",
        "web/failover/grpPg/4/ops",
        "web/failover/grpPg/4/web_team",
    ]


def test_a_delivery_carries_its_transition_and_waits_in_the_outbox() -> None:
    transition = step()
    (made,) = plan([transition], [OPS], AT)
    assert (made.transition, made.target, made.created_at, made.state.value, made.attempts) == (transition, "ops", AT, "pending", 0)


def test_a_part_of_another_incident_is_never_told_on_its_own() -> None:
    assert told([step(replace(INCIDENT, part_of="failover/other"))], OPS) == []


def test_who_was_told_of_an_incident_hears_once_that_it_is_part_of_another() -> None:
    """Nobody waits for an all-clear that never comes; who never heard of it hears nothing, and what follows is told within the other."""
    part = replace(INCIDENT, part_of="failover/other")
    steps = [step(part, 2, None), step(part, 3, None), step(replace(part, state=IncidentState.RESOLVED), 4, Notice.CLOSING)]
    known = {("web", "failover/grpPg"): {"ops"}}
    assert told(steps, OPS, Target(name="other"), known=known) == ["web/failover/grpPg/2/ops"]
    assert told([step(), *steps], OPS, known={}) == ["web/failover/grpPg/1/ops", "web/failover/grpPg/2/ops"]


def test_clusters_and_kinds_are_globs() -> None:
    assert told([step()], Target(name="a", clusters=("w*",)), Target(name="b", clusters=("db", "x*"))) == ["web/failover/grpPg/1/a"]
    assert told([step()], Target(name="a", kinds=("fail*",)), Target(name="b", kinds=("switchover",))) == ["web/failover/grpPg/1/a"]


def test_a_switchover_is_told_although_it_is_info_unless_planned_work_is_not_wanted() -> None:
    switchover = replace(INCIDENT, kind=IncidentKind.SWITCHOVER, severity=Severity.INFO, planned=True)
    targets = (OPS, Target(name="quiet", planned=False), Target(name="all", planned=False, min_severity=Severity.INFO))
    assert told([step(switchover)], *targets) == ["web/failover/grpPg/1/ops", "web/failover/grpPg/1/all"]
    assert told([step(replace(INCIDENT, kind=IncidentKind.DC_CHANGED, severity=Severity.INFO))], OPS) == []


def test_a_target_hears_of_an_incident_when_its_severity_rises() -> None:
    warning, critical = replace(INCIDENT, severity=Severity.WARNING), replace(INCIDENT, severity=Severity.CRITICAL)
    pager = Target(name="pager", min_severity=Severity.CRITICAL)
    steps = [step(warning), step(critical, 2, Notice.UPDATE), step(critical, 3, Notice.CLOSING)]
    expected = ["web/failover/grpPg/2/pager", "web/failover/grpPg/3/pager"]
    assert told(steps, pager) == told(steps, pager, known={}) == expected


def test_a_closing_does_not_go_to_a_target_for_which_the_incident_was_never_severe_enough() -> None:
    warning = replace(INCIDENT, severity=Severity.WARNING)
    pager = Target(name="pager", min_severity=Severity.CRITICAL)
    assert told([step(warning, 3, Notice.CLOSING)], pager) == []
    assert told([step(warning, 3, Notice.CLOSING)], pager, known={}) == []


def test_a_target_that_was_told_hears_the_end_although_the_severity_fell() -> None:
    harmless = replace(INCIDENT, severity=Severity.INFO, kind=IncidentKind.SWITCHOVER)
    target = Target(name="ops", kinds=("failover",), planned=False)
    steps = [step(harmless, 2, Notice.UPDATE), step(harmless, 3, Notice.CLOSING)]
    assert told(steps, target, known={("web", "failover/grpPg"): {"ops"}}) == ["web/failover/grpPg/2/ops", "web/failover/grpPg/3/ops"]
    assert told([step(), *steps], target) == ["web/failover/grpPg/1/ops", "web/failover/grpPg/2/ops", "web/failover/grpPg/3/ops"]
    assert told(steps, target, known={}) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(Severity),
        st.sampled_from([None, Notice.UPDATE]),
        st.sampled_from([IncidentKind.FAILOVER, IncidentKind.SWITCHOVER]),
    ),
    max_size=6,
)
TARGETS = st.lists(
    st.builds(
        Target,
        name=st.sampled_from("abcd"),
        kinds=st.sampled_from([("*",), ("failover",), ("switch*",)]),
        min_severity=st.sampled_from(Severity),
        planned=st.booleans(),
    ),
    unique_by=lambda target: target.name,
    max_size=4,
)


@given(story=STEPS, targets=TARGETS, cut=st.integers(0, 8))
def test_who_hears_of_an_incident_hears_its_end_and_nobody_else(
    story: list[tuple[Severity, Notice | None, IncidentKind]], targets: list[Target], cut: int
) -> None:
    """However the story is cut into batches, with the knowledge of who was told kept between them."""
    steps = [step()]
    for sequence, (severity, notice, kind) in enumerate(story, start=2):
        steps.append(step(replace(INCIDENT, severity=severity, kind=kind), sequence, notice))
    steps.append(step(replace(steps[-1].incident), len(steps) + 1, Notice.CLOSING))
    known: dict[tuple[str, str], set[str]] = {}
    made = []
    for batch in (steps[:cut], steps[cut:]):
        part = plan(batch, targets, AT, known)
        made += part
        for delivery in part:
            known.setdefault(("web", "failover/grpPg"), set()).add(delivery.target)
    heard = {delivery.target for delivery in made if delivery.transition.notice is not Notice.CLOSING}
    assert {delivery.target for delivery in made if delivery.transition.notice is Notice.CLOSING} == heard
    assert len({delivery.id for delivery in made}) == len(made)
    assert made == plan(steps, targets, AT, {})


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def reminder(incident: Incident = INCIDENT, *ages: timedelta) -> Transition:
    return replace(step(incident, 5, Notice.REMINDER), ages=tuple(age.total_seconds() for age in ages))


def test_a_reminder_goes_once_to_those_that_ask_for_one_of_its_ages_and_were_told_or_want_to_be() -> None:
    targets = (
        Target(name="both", remind=(HOUR, DAY)),
        Target(name="late", remind=(DAY,)),
        Target(name="never"),
        Target(name="pager", remind=(HOUR,), min_severity=Severity.CRITICAL),
    )
    assert told([reminder(INCIDENT, HOUR)], *targets, known={}) == ["web/failover/grpPg/5/both"]
    assert told([reminder(INCIDENT, HOUR, DAY)], *targets, known={}) == ["web/failover/grpPg/5/both", "web/failover/grpPg/5/late"]
    was_critical = {("web", "failover/grpPg"): {"pager"}}
    assert told([reminder(INCIDENT, HOUR)], *targets, known=was_critical) == ["web/failover/grpPg/5/both", "web/failover/grpPg/5/pager"]


def test_planned_work_that_was_left_on_is_reminded_of_although_it_is_info() -> None:
    work = replace(INCIDENT, kind=IncidentKind.MAINTENANCE, severity=Severity.INFO, planned=True)
    targets = (
        Target(name="ops", remind_planned=(DAY,)),
        Target(name="unplanned", remind=(DAY,)),
        Target(name="quiet", remind_planned=(DAY,), planned=False),
        Target(name="other", remind_planned=(DAY,), clusters=("db",)),
    )
    assert told([reminder(work, DAY)], *targets, known={}) == ["web/failover/grpPg/5/ops"]
    ended = step(replace(work, state=IncidentState.RESOLVED), 6, Notice.CLOSING)
    assert told([reminder(work, DAY), ended], *targets, known={})[1:] == ["web/failover/grpPg/6/ops"]
