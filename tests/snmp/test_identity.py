"""The engine ID stays, and every start counts, whatever happens to the process."""

import doctest
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import hamon.snmp.identity
import hamon.snmp.settings
import hamon.snmp.users
from hamon.snmp import IdentityError, bump, current, start
from hamon.snmp.identity import FILE, MOST_BOOTS, parse_engine_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("module", [hamon.snmp.identity, hamon.snmp.settings, hamon.snmp.users])
def test_the_examples_in_the_text_are_true(module: object) -> None:
    """Those of RFC 3414, A.3, among them."""
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]  # a module
    assert (failed, tried > 0) == (0, True)


def test_every_start_counts_and_the_engine_id_stays(tmp_path: Path) -> None:
    lives = [start(tmp_path / "state", NOW) for _ in range(3)]
    assert [life.boots for life in lives] == [1, 2, 3]
    assert len({life.engine_id for life in lives}) == 1
    assert len(lives[0].engine_id) == 13
    assert start(tmp_path / "other", NOW).engine_id != lives[0].engine_id


def test_a_configured_engine_id_is_used_and_the_count_never_falls(tmp_path: Path) -> None:
    start(tmp_path, NOW)
    life = start(tmp_path, NOW, b"12345")
    assert (life.engine_id, life.boots, life.engine_id_text) == (b"12345", 2, "0x3132333435")
    assert start(tmp_path, NOW).boots == 3


def test_another_program_speaks_in_the_same_life(tmp_path: Path) -> None:
    life = start(tmp_path, NOW)
    assert current(tmp_path, NOW + timedelta(hours=1)) == life
    assert current(tmp_path / "fresh", NOW).boots == 1


def test_a_file_that_was_set_back_is_repaired_by_a_jump(tmp_path: Path) -> None:
    start(tmp_path, NOW)
    assert bump(tmp_path, NOW).boots == 1001
    assert start(tmp_path, NOW).boots == 1002


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    start(tmp_path / "state", NOW)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{}", "no", '{"engine_id": "00", "boots": 1, "started_at": "2026-01-01T00:00:00+00:00"}', "[1]"])
def test_a_damaged_file_is_told_with_its_remedy_and_not_overwritten(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(IdentityError, match="bump-boots"):
        start(tmp_path, NOW)
    assert (tmp_path / FILE).read_text() == content


def test_an_engine_that_is_used_up_says_so(tmp_path: Path) -> None:
    kept = {"engine_id": "8000000001", "boots": MOST_BOOTS - 1, "started_at": NOW.isoformat()}
    (tmp_path / FILE).write_text(json.dumps(kept))
    with pytest.raises(IdentityError, match="another one"):
        start(tmp_path, NOW)


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IdentityError, match="cannot be"):
        start(tmp_path / "file" / "state", NOW)


@pytest.mark.parametrize("text", ["", "80", "80001f88zz", "0000000000", "ffffffffff", "0x" + "11" * 33])
def test_what_is_no_engine_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="engine ID"):
        parse_engine_id(text)


def test_a_new_file_replaces_a_half_written_one(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.new").write_text("{")
    assert start(tmp_path, NOW).boots == 1
    assert os.listdir(tmp_path) == [FILE]
