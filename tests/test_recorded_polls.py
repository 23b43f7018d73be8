"""Recorded answers of `crm_mon` as `hamon analyze` finds them: with an index, many in a file, per node, cut off."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hamon.analyze import Analysis, NothingReadable, Options, analyze
from hamon.analyze.polls import Document, snapshots
from hamon.model.incident import IncidentKind
from hamon.model.observation import Source
from tests.cases import rules
from tests.snapshots import RECORDINGS, answers, polls

WRITTEN = datetime(2026, 11, 23, tzinfo=UTC)


def analysed(*paths: Path, timezone: str = "UTC") -> Analysis:
    return analyze(paths, rules(), Options(sources=frozenset({Source.POLL}), timezone=timezone))


def one_node(folder: Path, node: str = "pm02") -> list[Path]:
    """The answers of one node of a failover, a file each, without an index."""
    written = []
    for number, poll in enumerate(polls("failover_resource")):
        if poll.node != node or poll.file is None:
            continue
        text = answers("failover_resource")[poll.file]
        stamp = poll.at.strftime("%a %b %d %H:%M:%S %Y").encode()
        begin = text.index(b'<last_update time="') + len(b'<last_update time="')
        path = folder / f"{number:03}.xml"
        path.write_bytes(text[:begin] + stamp + text[text.index(b'"', begin) :])
        written.append(path)
    return written


def is_the_failover(found: Analysis) -> bool:
    (main,) = [incident for incident in found.incidents if incident.part_of is None]
    return (main.kind, main.from_node, main.to_node, main.planned) == (IncidentKind.FAILOVER, "pm01", "pm02", False)


def test_a_recording_is_read_from_its_folder_its_tarball_and_its_unpacked_polls(tmp_path: Path) -> None:
    with tarfile.open(RECORDINGS / "failover_resource" / "snap.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for path in (RECORDINGS / "failover_resource", RECORDINGS / "failover_resource" / "snap.tar.xz", tmp_path):
        found = analysed(path)
        assert is_the_failover(found)
        index = next(item for item in found.inputs if item.form == "index.jsonl")
        assert (index.records, index.recognised, index.errors) == (32, 32, [])
        assert {item.form for item in found.inputs} == {"index.jsonl", "crm_mon"}


def test_answers_without_an_index_tell_their_time_themselves(tmp_path: Path) -> None:
    one_node(tmp_path)
    found = analysed(tmp_path)
    assert is_the_failover(found)
    assert all((item.records, item.recognised, item.errors) == (1, 1, []) for item in found.inputs)


def test_many_answers_stand_in_one_file(tmp_path: Path) -> None:
    paths = one_node(tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "crm_mon.out").write_bytes(b"\n".join(b'<?xml version="1.0"?>\n' + path.read_bytes() for path in paths))
    found = analysed(whole)
    assert is_the_failover(found)
    (item,) = found.inputs
    assert (item.records, item.recognised, item.errors) == (len(paths), len(paths), [])


def test_who_answered_is_known_by_the_folder_or_the_name_of_the_file() -> None:
    answer = answers("failover_resource")["s000.xml"]
    names = ["report/pm02/crm_mon.xml", "report/crm_mon.pm01.xml", "report/crm_mon.xml", "report/pm011.xml"]
    found = snapshots([Document(name, answer, WRITTEN) for name in names], cluster="c")
    assert {snapshot.status.reporter for snapshot in found} == {"pm01", "pm02", None}
    documents = [Document(name, answer, WRITTEN) for name in names]
    snapshots(documents, cluster="c")
    assert [document.node for document in documents] == ["pm02", "pm01", None, None]


def test_times_are_in_the_zone_that_is_given(tmp_path: Path) -> None:
    paths = one_node(tmp_path)
    text = paths[0].read_bytes()
    (there,) = snapshots([Document("a", text, WRITTEN)], cluster="c", timezone="Asia/Tokyo")
    (here,) = snapshots([Document("a", text, WRITTEN)], cluster="c")
    assert (here.status.at - there.status.at).total_seconds() == 9 * 3600


@pytest.mark.parametrize(
    ("index", "error"),
    [
        ('{"t": 1795344736.9, "node": "pm01", "rc": 0, "file": "gone.xml"}', "line 1 names gone.xml, which is not there"),
        ('{"t": "never", "node": "pm01", "file": "s000.xml"}', "line 1: not a row of an index"),
        ('{"node": "pm01", "file": "s000.xml"}\n[]', "line 2: not a row of an index"),
    ],
)
def test_what_is_wrong_with_an_index_is_said_and_stops_nothing(tmp_path: Path, index: str, error: str) -> None:
    one_node(tmp_path)
    (tmp_path / "index.jsonl").write_text(index)
    found = analysed(tmp_path)
    assert error in next(item for item in found.inputs if item.form == "index.jsonl").errors
    assert is_the_failover(found)


def test_an_answer_that_is_cut_off_is_said_and_the_others_are_read(tmp_path: Path) -> None:
    paths = one_node(tmp_path)
    joined = b"\n".join(path.read_bytes() for path in paths)
    (document,) = [Document("a", joined[:-500], WRITTEN)]
    assert len(snapshots([document], cluster="c")) == len(paths) - 1
    assert document.errors == ["the last answer is cut off"]
    paths[-1].write_bytes(paths[-1].read_bytes()[:-500])
    found = analysed(tmp_path)
    assert is_the_failover(found)
    assert [bool(item.errors) for item in sorted(found.inputs, key=lambda item: item.name)] == [*[False] * (len(paths) - 1), True]


def test_an_index_without_answers_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text(json.dumps({"t": 1, "node": "pm01", "rc": 102}) + "\n")
    assert analysed(tmp_path).incidents == []
    (tmp_path / "index.jsonl").write_text("nothing")
    with pytest.raises(NothingReadable):
        analysed(tmp_path)
