"""The demonstration plays a recording as it was: its logs, and what crm_mon said meanwhile."""

import subprocess
from datetime import timedelta
from pathlib import Path

from hamon import demo
from hamon.clock import SystemClock
from hamon.parse import crm_mon

RECORDINGS = Path(__file__).parent / "corpus" / "recordings"


async def test_the_stand_in_prints_what_crm_mon_said_with_times_of_now(tmp_path: Path) -> None:
    folder = RECORDINGS / "failover_resource"
    clock = SystemClock()
    began = clock.now()
    answers = demo.answers_of(folder)
    await demo.Player(demo.lines_of(folder), tmp_path, 100, clock, answers).run()
    ended = clock.now()
    for node in ("pm01", "pm02"):
        asked = subprocess.run([tmp_path / "answers" / demo.COMMAND, node], capture_output=True, check=True)
        status = crm_mon.parse(asked.stdout, at=ended)
        last = [answer for answer in answers if answer.node == node][-1]
        assert last.text is not None
        recorded = crm_mon.parse(last.text.encode(), at=ended)
        assert status.resources == recorded.resources
        assert [failure.operation_key for failure in status.failures] == [failure.operation_key for failure in recorded.failures]
        (failure,) = status.failures
        assert failure.last_change_at is not None
        assert began - timedelta(seconds=2) <= failure.last_change_at <= ended


def test_a_node_that_was_switched_off_does_not_answer() -> None:
    answers = demo.answers_of(RECORDINGS / "chronicle")
    off = [answer for answer in answers if answer.text is None]
    assert [answer.node for answer in off] == ["pm02", "pm01"]  # the standby fault, and the failover at the end
    back = next(answer for answer in answers if answer.node == "pm02" and answer.at > off[0].at)
    assert back.text is not None


def test_a_recording_without_polls_has_no_answers(tmp_path: Path) -> None:
    assert demo.answers_of(tmp_path) == []
