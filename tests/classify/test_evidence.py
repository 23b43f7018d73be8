"""Each verdict on an incident names the lines that decided it, and no other."""

from datetime import UTC

from hamon.model.incident import Evidence, Incident, Judgement
from hamon.tell import evidence_text
from tests.classify.cluster_log import UP, Cluster, moved, moves

FAULT = "10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running"
STANDBY = "10:00:00 pm01 attrd: Setting standby[pm01]: (unset) -> on"
MOVE = f"{moves('pm01', 'pm02', '10:00:01')}\n{moved('pm01', 'pm02', '10:00:03')}"


def verdicts(incident: Incident) -> dict[Judgement, Evidence]:
    return {item.verdict: item for item in incident.evidence}


def lines(item: Evidence) -> list[str]:
    return [entry.raw.split("]: ", 1)[-1].strip() for entry in item.by]


def happened(log: str) -> Incident:
    cluster = Cluster().log(f"{UP}\n{log}").until("10:01:00")
    (incident,) = [one for one in cluster.incidents if one.part_of is None and one.kind in ("failover", "switchover", "standby_fault")]
    return incident


def test_a_failover_names_the_fault_and_where_the_service_was_and_came() -> None:
    found = verdicts(happened(f"{FAULT}\n{MOVE}"))
    assert "monitor operation for prmPg on pm01: not running" in lines(found[Judgement.UNPLANNED])[0]
    assert {entry.node for entry in found[Judgement.ON_ACTIVE].by} == {"pm01"}
    assert "Result of start operation for" in lines(found[Judgement.ON_ACTIVE])[0]
    assert [entry.node for entry in found[Judgement.MOVED].by] == ["pm02"]
    assert Judgement.NODE_LOST not in found


def test_a_switchover_names_the_mark() -> None:
    found = verdicts(happened(f"{STANDBY}\n{MOVE}"))
    assert "Setting standby[pm01]" in lines(found[Judgement.PLANNED])[0]
    assert Judgement.UNPLANNED not in found


def test_an_operator_who_reacts_to_a_failure_is_named_after_the_failure() -> None:
    found = verdicts(happened(f"{FAULT}\n{STANDBY}\n{MOVE}"))
    fault, mark = lines(found[Judgement.UNPLANNED])
    assert "not running" in fault
    assert "Setting standby[pm01]" in mark


def test_without_a_fault_and_without_a_mark_no_line_is_named() -> None:
    found = verdicts(happened(MOVE))
    assert found[Judgement.PLANNED_UNKNOWN].by == ()


def test_a_standby_fault_names_the_loss_and_where_the_service_is_instead() -> None:
    found = verdicts(happened("10:00:00 pm01 controld: Node pm02 state is now lost"))
    assert lines(found[Judgement.NODE_LOST]) == lines(found[Judgement.UNPLANNED])
    assert {entry.node for entry in found[Judgement.ON_STANDBY].by} == {"pm01"}


def test_the_words_give_time_node_source_and_the_line_in_both_languages() -> None:
    incident = happened(f"{FAULT}\n{MOVE}")
    english, japanese = evidence_text(incident, "en", UTC), evidence_text(incident, "ja", UTC)
    raw = "      Nov 22 10:00:00 pm01 pacemaker-controld[106]: notice: Result of monitor operation for prmPg on pm01: not running"
    assert english.startswith("- Unplanned: a fault came first\n    2026-11-22 10:00:00 pm01 (log): monitor of prmPg failed: not running")
    assert japanese.startswith("- 計画外と判定: 先に故障が発生している\n    2026-11-22 10:00:00 pm01（ログ）: ")
    assert english.splitlines()[2] == japanese.splitlines()[2] == raw
