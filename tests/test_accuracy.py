"""The table of `make accuracy`: every recording is judged right by every kind of evidence, and leave is taken only where it is granted."""

import pytest

from tests import accuracy
from tests.accuracy import COLUMNS, Cell, cell, further, table
from tests.recordings import NAMES

# A dead daemon whose attributes stay lost: by logs alone it stands alone, only polls show what its node lost.
LEAVE_OF_LOGS = frozenset({"kill_execd_standby", "kill_execd_standby_db"})
# What polls cannot know: a ring that is cut, and that a daemon died.
LEAVE_OF_POLLS = LEAVE_OF_LOGS | {"ring_cut", "chronicle", "kill_attrd_active", "kill_controld_active", "kill_corosync_active"}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", NAMES)
def test_every_recording_is_right_by_every_kind_of_evidence(name: str, column: str) -> None:
    found = cell(name, column)
    assert found.misses == []
    match column:
        case "log" | "log+trap":
            assert not found.leave or name in LEAVE_OF_LOGS
        case "log+poll" | "all three":
            assert not found.leave
        case "poll" | "trap+poll":
            assert not found.leave or name in LEAVE_OF_POLLS
        case _:
            assert column == "trap"


@pytest.mark.parametrize("name", accuracy.FURTHER_NAMES)
def test_every_further_recording_is_right_and_in_time(name: str) -> None:
    assert further(name).misses == []


def test_the_table_names_every_miss() -> None:
    right = Cell(recording="quiet", column="log", misses=[], leave=False)
    wrong = Cell(recording="quiet", column="poll", misses=["planned True"], leave=False)
    text = table([right, wrong, Cell(recording="ring_cut", column="trap", misses=[], leave=True)])
    assert "1 wrong" in text
    assert "(right)" in text
    assert "MISS quiet, poll: planned True" in text
    assert "2 of 3 right" in text
