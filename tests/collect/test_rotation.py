import os
import threading
from pathlib import Path

import pytest

from hamon.collect.rotation import bases, family


def _write(path: Path, at: int) -> Path:
    path.write_text(path.name)
    os.utime(path, (at, at))
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["ha-log.10.gz", "ha-log.9.bz2", "ha-log.2.xz", "ha-log.1", "ha-log"],
        ["ha-log-20231231.gz", "ha-log-20240101", "ha-log-20240102", "ha-log"],
        ["ha-log-20240101-1704067200", "ha-log-20240101-1704070800", "ha-log"],
        ["ha-log.2023-12-31.gz", "ha-log.2024-01-01", "ha-log"],
        ["pacemaker-20231231.log.gz", "pacemaker-20240101.log", "pacemaker.log"],
        ["pacemaker.log.2", "pacemaker.log.1", "pacemaker.log"],
        ["ha-log.old", "ha-log"],
        ["corosync.log~", "corosync.log"],
    ],
)
def test_rotated_files_are_ordered_by_their_names_whatever_their_times(tmp_path: Path, names: list[str]) -> None:
    for place, name in enumerate(names):
        _write(tmp_path / name, at=1_700_000_000 - place)
    _write(tmp_path / "ha-logger", at=1)
    _write(tmp_path / "ha-log.conf", at=1)
    assert [os.path.basename(found.path) for found in family(str(tmp_path / names[-1]))] == names


def test_mixed_naming_schemes_are_ordered_by_time(tmp_path: Path) -> None:
    for at, name in enumerate(["ha-log.1.gz", "ha-log-20240101", "ha-log.old", "ha-log"]):
        _write(tmp_path / name, at=1_700_000_000 + at)
    assert [os.path.basename(found.path) for found in family(str(tmp_path / "ha-log"))] == [
        "ha-log.1.gz",
        "ha-log-20240101",
        "ha-log.old",
        "ha-log",
    ]


def test_a_file_that_is_being_compressed_counts_once(tmp_path: Path) -> None:
    for name in ("ha-log", "ha-log.1", "ha-log.1.gz"):
        _write(tmp_path / name, at=1_700_000_000)
    assert [os.path.basename(found.path) for found in family(str(tmp_path / "ha-log"))] == ["ha-log.1", "ha-log"]


def test_a_file_moved_to_a_strange_name_is_found_by_its_inode(tmp_path: Path) -> None:
    _write(tmp_path / "ha-log", at=1_700_000_000)
    saved = _write(tmp_path / "saved by the admin", at=1_700_000_000)
    assert [found.path for found in family(str(tmp_path / "ha-log"), {saved.stat().st_ino})] == [str(saved), str(tmp_path / "ha-log")]


def test_the_neighbours_of_a_links_target_belong_to_the_log(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _write(tmp_path / "data" / "real.1", at=1)
    _write(tmp_path / "data" / "real", at=2)
    (tmp_path / "ha-log").symlink_to(tmp_path / "data" / "real")
    assert [found.path for found in family(str(tmp_path / "ha-log"))] == [str(tmp_path / "data" / "real.1"), str(tmp_path / "ha-log")]


def test_the_log_before_rotation_is_named() -> None:
    assert list(bases("/l/ha-log-20240101.gz")) == ["/l/ha-log"]
    assert list(bases("/l/pacemaker.log.3")) == ["/l/pacemaker.log"]
    assert list(bases("/l/ha-log")) == []


def test_a_file_that_is_renamed_while_one_looks_is_not_overlooked(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    names = [log, *(tmp_path / f"ha-log.{number}" for number in (1, 2, 3))]
    for name in names:
        name.write_bytes(b"%s\n" % name.name.encode())
    all_of_them = {(status.st_dev, status.st_ino) for status in map(os.stat, names)}

    def rotate() -> None:
        for number in (3, 2, 1):
            (tmp_path / f"ha-log.{number}").rename(tmp_path / f"ha-log.{number + 1}")

    for _ in range(400):
        rotating = threading.Thread(target=rotate)
        rotating.start()
        found = {candidate.identity for candidate in family(str(log))}
        rotating.join()
        for number in (1, 2, 3):
            (tmp_path / f"ha-log.{number + 1}").rename(tmp_path / f"ha-log.{number}")
        assert found >= all_of_them
