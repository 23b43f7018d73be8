"""`hamon analyze`: forms of input, options, and what is said of input that cannot be read."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamon.analyze import NothingReadable, Options, analyze, to_json, to_text
from hamon.analyze.evidence import Input
from hamon.analyze.zones import other_zone
from hamon.classify.order import causal_order
from hamon.cli import main
from hamon.model.event import Event, EventKind
from hamon.model.observation import Source
from tests.cases import rules
from tests.parse.test_pcap import LINKS, ipv4, ipv6, pcap, udp
from tests.recordings import RECORDINGS, answer_from, evidence, year_of
from tests.truth import faults

NAME = "failover_resource"
TRUTH: Mapping[str, Any] = json.loads((RECORDINGS / NAME / "truth.json").read_text(encoding="utf-8"))


def plain(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def logs() -> dict[str, bytes]:
    """The ha-log of each node."""
    return {path.parent.name: plain(path) for path in evidence(NAME, "*/ha-log.gz")}


def ask(*paths: Path, **options: Any) -> dict[str, Any]:
    return to_json(analyze(paths, rules(), Options(**{"year": year_of(NAME)} | options)), options.get("language", "en"))


def essence(answer: Mapping[str, Any]) -> Any:
    """What an answer says, without the paths it comes from."""
    return answer["incidents"], answer["events"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both nodes' logs, plain."""
    for node, data in logs().items():
        (tmp_path / "evidence" / node).mkdir(parents=True)
        (tmp_path / "evidence" / node / "ha-log").write_bytes(data)
    return tmp_path / "evidence"


# -- forms


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=["gz", "bz2", "xz", "plain"])
@pytest.mark.parametrize("named", ["ha-log", "ha-log.gz", "ha-log.1", "ha-log.xz"])
def test_the_content_of_a_file_tells_how_it_is_compressed_not_its_name(tmp_path: Path, compress: Any, named: str) -> None:
    for node, data in logs().items():
        (tmp_path / node).mkdir()
        (tmp_path / node / named).write_bytes(compress(data))
    answer = ask(tmp_path)
    assert essence(answer) == essence(answer_from(NAME, "ha-log"))
    assert [item["form"] for item in answer["inputs"]] == ["syslog", "syslog"]


def test_a_folder_a_list_of_files_and_a_tarball_say_the_same(folder: Path, tmp_path: Path) -> None:
    expected = essence(answer_from(NAME, "ha-log"))
    assert faults(TRUTH, {"incidents": expected[0], "events": expected[1]}) == []
    assert essence(ask(folder)) == expected
    assert essence(ask(folder / "pm02" / "ha-log", folder / "pm01" / "ha-log")) == expected
    for suffix, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")):
        archive = tmp_path / f"report.{suffix}"
        with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]  # the mode is a variable
            tar.add(folder, "crm_report-1")
        answer = ask(archive)
        assert essence(answer) == expected
        assert answer["inputs"][0]["path"] == f"{archive}/crm_report-1/pm01/ha-log"


def test_a_whole_recording_is_read_as_it_lies_without_its_answers() -> None:
    answer = ask(RECORDINGS / NAME)
    assert faults(TRUTH, answer) == []
    names = {Path(item["path"]).name for item in answer["inputs"]}
    assert {"ha-log.gz", "pacemaker.log.gz", "traps.jsonl.gz", "traps.pcap.gz"} <= names
    assert "truth.json" not in names
    assert {"syslog", "pacemaker.log", "traps.jsonl", "pcap"} <= {item["form"] for item in answer["inputs"]}
    assert {item["form"] for item in answer_from("ring_cut", "own-logs")["inputs"]} == {"pacemaker.log", "corosync.log"}


def test_the_logs_of_several_nodes_in_one_file_say_the_same(tmp_path: Path) -> None:
    lines = sorted((line for data in logs().values() for line in data.splitlines()), key=lambda line: line[:15])
    (tmp_path / "messages").write_bytes(b"\n".join(lines) + b"\n")
    answer = ask(tmp_path / "messages")
    assert faults(TRUTH, answer) == []
    assert [item["node"] for item in answer["inputs"]] == [None]


def test_what_a_syslog_receiver_took_down_says_the_same(tmp_path: Path) -> None:
    rows = []
    for data in logs().values():
        for line in data.decode().splitlines():
            at = datetime.strptime(f"2026 {line[:15]} +0000", "%Y %b %d %H:%M:%S %z").timestamp()
            rows.append((at, json.dumps({"t": at, "src": "192.0.2.1", "raw": f"<29>{line}"})))
    rows.sort(key=lambda row: row[0])
    (tmp_path / "syslog.jsonl").write_text("\n".join(row for _, row in rows) + "\nnot json\n", encoding="utf-8")
    # No year is given: the epochs beside the lines tell it.
    answer = ask(tmp_path / "syslog.jsonl", year=None)
    assert faults(TRUTH, answer) == []
    assert [item["form"] for item in answer["inputs"]] == ["syslog.jsonl"]
    assert answer["events"][0]["at"].startswith("2026-11-22T")


def test_the_journal_with_its_dates_needs_no_year(tmp_path: Path) -> None:
    for node, data in logs().items():
        lines = [b"2026-11-22T" + line[7:15] + b"+00:00" + line[15:] for line in data.splitlines()]
        (tmp_path / node).write_bytes(b"-- Journal begins --\n" + b"\n".join(lines) + b"\n")
    answer = ask(tmp_path, year=1999)
    assert faults(TRUTH, answer) == []
    assert [item["unrecognised"] for item in answer["inputs"]] == [1, 1]


def test_lines_that_follow_each_other_in_rotated_files_are_one_story(tmp_path: Path) -> None:
    for node, data in logs().items():
        lines = data.splitlines(keepends=True)
        half = len(lines) // 2
        (tmp_path / f"{node}.1").write_bytes(b"".join(lines[:half]))
        (tmp_path / f"{node}.0").write_bytes(b"".join(lines[half:]))
    assert faults(TRUTH, ask(tmp_path)) == []


def test_a_large_file_is_read_in_blocks_and_says_the_same(tmp_path: Path) -> None:
    noise = b"Nov 22 10:00:00 pm01 kernel: something of no interest whatever\n" * 40_000
    for node, data in logs().items():
        (tmp_path / node).write_bytes(noise + data.rstrip(b"\n"))  # the last line is not complete
    answer = ask(tmp_path)
    assert essence(answer)[0] == essence(answer_from(NAME, "ha-log"))[0]
    assert sum(item["records"] for item in answer["inputs"]) == 80_000 + sum(len(data.splitlines()) for data in logs().values())


# -- year and zone


def test_a_zone_moves_every_time_and_nothing_else(folder: Path) -> None:
    utc, tokyo = ask(folder), ask(folder, timezone="Asia/Tokyo")
    moved = [datetime.fromisoformat(event["at"]) for event in tokyo["events"]]
    assert [(datetime.fromisoformat(event["at"]) - at).total_seconds() for event, at in zip(utc["events"], moved, strict=True)] == [
        9 * 3600
    ] * len(moved)
    assert [incident["kind"] for incident in utc["incidents"]] == [incident["kind"] for incident in tokyo["incidents"]]


@pytest.mark.parametrize("others", ["monitor/traps.jsonl*", "snap*"], ids=["traps", "polls"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Asia/Kolkata", "America/New_York"])
def test_other_evidence_tells_the_zone_of_stamps_without_one(zone: str, others: str, folder: Path) -> None:
    paths = [folder, *evidence(NAME, others)]
    found = ask(*paths, timezone=zone)
    assert essence(found) == essence(ask(*paths))
    assert faults(TRUTH, found) == []
    told = [item["errors"] for item in found["inputs"] if item["source"] == "log"]
    assert told == [[f"its stamps without a zone are of UTC+00:00, as other evidence shows, and not of {zone}"]] * 2


def test_answers_that_tell_their_own_time_do_not_keep_traps_from_telling_the_zone(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(evidence(NAME, "snap*")[0]) as archive:
        for member in archive.getmembers():
            if member.name.endswith(".xml") and (source := archive.extractfile(member)) is not None:
                (tmp_path / Path(member.name).name).write_bytes(source.read())
    paths = [folder, *sorted(tmp_path.glob("*.xml")), *evidence(NAME, "monitor/traps.jsonl*")]
    found = ask(*paths, timezone="Asia/Tokyo")
    assert faults(TRUTH, found) == []
    assert essence(found) == essence(ask(*paths))


def test_a_log_that_names_its_zone_tells_that_of_one_that_does_not(folder: Path) -> None:
    """As on hosts where rsyslog writes ISO stamps, and Pacemaker a log of its own."""
    by_rsyslog = logs()["pm01"].splitlines()
    (folder / "pm01" / "messages").write_bytes(b"".join(b"2026-11-22T" + line[7:15] + b"+00:00" + line[15:] + b"\n" for line in by_rsyslog))
    found = ask(folder, timezone="Asia/Tokyo")
    assert faults(TRUTH, found) == []
    assert [incident["started_at"][:10] for incident in found["incidents"]] == ["2026-11-22"] * len(found["incidents"])
    assert essence(found)[0] == essence(ask(folder))[0]


def test_two_facts_among_others_that_disagree_tell_no_zone() -> None:
    """Of what happens again and again, some is a whole number of hours apart by chance."""
    known = [event(EventKind.RESOURCE_STARTED, 60 * 7.3 * number, f"a{number}") for number in range(9)]
    without = [replace(one, at=one.at + timedelta(hours=number), raw="Nov 22 10:00:00 pm01 x") for number, one in enumerate(known)]
    with_zone = [replace(one, raw="2026-11-22T10:00:00+00:00 pm01 x") for one in known]
    items = [Input(Path("a"), "a", events=with_zone), Input(Path("b"), "b", events=without)]
    assert other_zone(items, (), "UTC") is None
    agreed = [replace(one, at=one.at + timedelta(hours=9), raw="Nov 22 10:00:00 pm01 x") for one in known]
    found = other_zone([items[0], Input(Path("b"), "b", events=agreed)], (), "UTC")
    assert found is not None
    assert (str(found), found.name) == ("UTC+09:00", "Etc/GMT-9")


def test_a_given_year_is_that_of_every_stamp_without_one(folder: Path) -> None:
    assert {event["at"][:4] for event in ask(folder, year=2019)["events"]} == {"2019"}


def test_without_a_year_the_time_of_the_file_tells_it(folder: Path) -> None:
    stamp = datetime(2021, 12, 1, tzinfo=UTC).timestamp()
    for path in folder.rglob("ha-log"):
        os.utime(path, (stamp, stamp))
    assert {event["at"][:4] for event in ask(folder, year=None)["events"]} == {"2021"}


def test_a_year_in_which_no_such_day_was_is_told_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Feb 29 10:00:00 pm01 crmd[1]:  notice: Quorum lost\n", encoding="utf-8")
    answer = ask(tmp_path / "log", year=2027)
    (item,) = answer["inputs"]
    assert (item["records"], item["recognised"], item["unrecognised"]) == (1, 0, 1)
    assert "Feb 29" in item["errors"][0]
    assert (answer["incidents"], answer["events"]) == ([], [])


def test_a_line_with_an_impossible_year_ends_no_run(folder: Path) -> None:
    with (folder / "pm01" / "ha-log").open("ab") as log:
        log.write(b"9999-12-31T23:59:59Z pm01 crmd[1]:  notice: Quorum lost\n0001-01-01T00:00:00Z pm01 crmd[1]:  notice: Quorum lost\n")
    answer = ask(folder)
    assert faults(TRUTH, answer) == []
    assert sum(item["unrecognised"] for item in answer["inputs"]) == 2


# -- what cannot be read


def test_input_that_cannot_be_read_is_reported_and_the_rest_analysed(folder: Path) -> None:
    whole = gzip.compress(plain(evidence(NAME, "pm01/pacemaker.log.gz")[0]))
    spoiled = bytearray(whole)
    spoiled[len(whole) // 2] ^= 0xFF
    (folder / "empty").touch()
    (folder / "noise.bin").write_bytes(Random(1).randbytes(10_000))
    (folder / "core").write_bytes(b"\x7fELF" + bytes(5000))
    (folder / "letter.txt").write_text("Dear operator,\nall is well.\n", encoding="utf-8")
    (folder / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "spoiled.log.gz").write_bytes(spoiled)
    (folder / "not-really.gz").write_bytes(b"\x1f\x8bnothing of the kind")
    (folder / "odd.json").write_text("{}", encoding="utf-8")
    answer = ask(folder, folder / "missing")
    inputs = {Path(item["path"]).name: item for item in answer["inputs"]}
    assert (inputs["empty"]["form"], inputs["empty"]["records"], inputs["empty"]["errors"]) == ("empty", 0, [])
    for name in ("noise.bin", "core", "letter.txt"):
        assert inputs[name]["errors"] == ["neither a log, nor crm_mon XML, nor traps"], name
    assert inputs["missing"]["errors"] == ["no such file"]
    for name in ("cut.log.gz", "spoiled.log.gz", "not-really.gz"):
        assert inputs[name]["errors"][0].startswith("cannot be read: "), name
    assert inputs["odd.json"]["errors"]
    assert inputs["ha-log"]["errors"] == []
    assert faults(TRUTH, answer) == []


def test_a_compressed_log_that_is_cut_gives_what_was_before_the_cut(tmp_path: Path) -> None:
    data = plain(evidence(NAME, "pm01/pacemaker.log.gz")[0])
    noise = bytes(Random(2).choices(range(32, 127), k=2_000_000))
    packed = gzip.compress(data + b"\n".join(noise[begin : begin + 100] for begin in range(0, len(noise), 100)))
    (tmp_path / "cut.gz").write_bytes(packed[:-100_000])
    (item,) = ask(tmp_path)["inputs"]
    assert item["records"] > 100
    assert item["recognised"] + item["unrecognised"] == item["records"]
    assert item["errors"]


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_small_compressed_log_that_is_cut_gives_all_that_was_before_the_cut(compress: Any, tmp_path: Path) -> None:
    """A large read of a compressed file gives nothing of what came before its fault: each line must be asked for."""
    data = plain(evidence(NAME, "pm01/pacemaker.log.gz")[0])
    packed = compress(data + Random(2).randbytes(400_000).hex("\n", 100).encode())
    (tmp_path / "cut").write_bytes(packed[:-50])
    (item,) = ask(tmp_path)["inputs"]
    assert item["records"] >= data.count(b"\n")
    assert item["errors"]


@pytest.mark.parametrize("data", [b"\xd4\xc3\xb2\xa1\x02\x00", b"<pacemaker-result", b'{"t": 1'])
def test_what_begins_as_evidence_and_holds_none_is_not_readable(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(data)
    with pytest.raises(NothingReadable, match="cut: "):
        ask(tmp_path)


def test_a_tarball_that_is_cut_gives_what_was_before_the_cut(folder: Path, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(folder, "report")
        tar.add(__file__, "last.py")
    (tmp_path / "cut.tar").write_bytes(packed.getvalue()[:-12_000])
    answer = ask(tmp_path / "cut.tar")
    assert faults(TRUTH, answer) == []
    assert any(item["errors"] for item in answer["inputs"])


def test_a_tarball_writes_nothing_outside_of_its_folder(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, "report")
        for name in ("../escaped", "/tmp/hamon-escaped"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
    answer = ask(archive)
    assert faults(TRUTH, answer) == []
    assert not Path("/tmp/hamon-escaped").exists()
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"\x28\xb5\x2f\xfd\x04\x00", "zstd -d"),
        (b"PK\x03\x04", "unpack"),
        (b"LPKSHHRH", "journalctl"),
    ],
)
def test_what_other_tools_can_unpack_says_so(content: bytes, remedy: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "messages").write_bytes(content)
    answer = analyze([folder, tmp_path / "messages"], rules(), Options(year=2026))
    (error,) = next(found.errors for found in answer.inputs if found.path.name == "messages")
    assert remedy in error


def test_nothing_readable_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingReadable, match="no such file"):
        ask(tmp_path / "missing")
    (tmp_path / "letter").write_text("Dear operator,\n", encoding="utf-8")
    with pytest.raises(NothingReadable, match="neither a log"):
        ask(tmp_path / "letter")
    (tmp_path / "none").mkdir()
    with pytest.raises(NothingReadable, match="no file"):
        ask(tmp_path / "none")


def test_kinds_of_evidence_can_be_left_out(folder: Path) -> None:
    with pytest.raises(NothingReadable):
        ask(folder, sources=frozenset({Source.TRAP}))
    assert faults(TRUTH, ask(folder, sources=frozenset({Source.LOG}))) == []


def test_a_log_in_which_nothing_of_interest_happened_gives_no_incident(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Nov 22 10:00:00 pm01 kernel: hello\n", encoding="utf-8")
    answer = ask(tmp_path / "log")
    assert (answer["incidents"], answer["events"], answer["inputs"][0]["recognised"]) == ([], [], 1)


# -- order


def event(kind: EventKind, second: float, reporter: str) -> Event:
    at = datetime.fromtimestamp(1_795_344_000 + second, UTC)
    return Event(at=at, received_at=at, cluster="c", kind=kind, rule="", source=Source.LOG, collector="", node=reporter, reporter=reporter)


def test_within_a_second_causes_come_before_what_they_lead_to() -> None:
    one = [event(EventKind.RESOURCE_STARTED, 1, "pm02")]
    other = [event(EventKind.OPERATION_FAILED, 1, "pm01"), event(EventKind.RESOURCE_STOPPED, 1, "pm01")]
    found = [item.kind for item in causal_order([one, other])]
    assert found == [EventKind.OPERATION_FAILED, EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_STARTED]


def test_the_order_inside_one_file_is_kept_within_a_second() -> None:
    log = [event(kind, 1, "pm01") for kind in (EventKind.RESOURCE_STARTED, EventKind.NODE_LOST, EventKind.OPERATION_FAILED)]
    assert list(causal_order([log])) == log


def test_times_to_the_millisecond_decide_where_all_logs_have_them() -> None:
    one, other = [event(EventKind.RESOURCE_STARTED, 1.2, "pm02")], [event(EventKind.OPERATION_FAILED, 1.3, "pm01")]
    assert [item.kind for item in causal_order([one, other])] == [EventKind.RESOURCE_STARTED, EventKind.OPERATION_FAILED]


# -- the command


def test_the_command_prints_one_json_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["analyze", "--format", "json", "--year", "2026", "--cluster", "db", "--sources", "log", str(folder)])
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["cluster"]) == (0, "db")
    assert faults(TRUTH, answer) == []


@pytest.mark.parametrize(("language", "words"), [("en", ("pm01", "pm02", "prmPg")), ("ja", ("pm01", "pm02", "フェイルオーバ"))])
def test_the_command_tells_people_what_happened_in_their_language(
    folder: Path, capsys: pytest.CaptureFixture[str], language: str, words: tuple[str, ...]
) -> None:
    assert main(["analyze", "--year", "2026", "--lang", language, str(folder)]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in words)
    assert "\x1b" not in text


def test_parts_stand_inside_the_text_of_what_they_are_part_of(folder: Path) -> None:
    found = analyze([folder], rules(), Options(year=2026))
    assert len(to_text(found, "en", "UTC").split("\n\n")) >= 1
    assert to_text(found, "en", "UTC") != to_text(found, "en", "Asia/Tokyo")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sources", "log,rumour", "PATH"],
        ["--timezone", "Mars/Olympus", "PATH"],
        ["--year", "soon", "PATH"],
        ["--lang", "de", "PATH"],
        ["missing"],
        [],
    ],
)
def test_wrong_usage_and_nothing_readable_give_exit_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    words = [str(folder) if word == "PATH" else word for word in arguments]
    try:
        status = main(["analyze", *words])
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err
    assert captured.out == ""


# -- traps


def traps_of(name: str, suffix: str = "jsonl") -> bytes:
    return plain(evidence(name, f"monitor/traps.{suffix}.gz")[0])


TRAPS: frozenset[Source] = frozenset({Source.TRAP})


@pytest.mark.parametrize("suffix", ["jsonl", "pcap"])
@pytest.mark.parametrize("compressed", [False, True])
def test_recorded_traps_are_known_by_their_content(suffix: str, compressed: bool, tmp_path: Path) -> None:
    data = traps_of(NAME, suffix)
    (tmp_path / "evidence").write_bytes(gzip.compress(data) if compressed else data)
    answer = ask(tmp_path, sources=TRAPS)
    assert faults(TRUTH, answer, sources={"trap"}) == []
    (item,) = answer["inputs"]
    assert (item["source"], item["records"], item["recognised"], item["errors"]) == ("trap", 11, 11, [])
    assert item["form"] == {"jsonl": "traps.jsonl", "pcap": "pcap"}[suffix]


def test_traps_that_were_recorded_twice_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(traps_of("chronicle"))
    once = ask(tmp_path, sources=TRAPS)
    (tmp_path / "two").write_bytes(traps_of("chronicle", "pcap"))
    twice = ask(tmp_path, sources=TRAPS)

    def told(answer: Mapping[str, Any]) -> Any:
        return [{key: value for key, value in incident.items() if key != "timeline"} for incident in answer["incidents"]]

    def facts(answer: Mapping[str, Any]) -> Any:
        return [(event["kind"], event["node"], event["resource"]) for event in answer["events"]]

    assert told(twice) == told(once)
    assert facts(twice) == facts(once)


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_and_the_number_of_copies_of_recorded_traps_do_not_matter(random: Random, tmp_path: Path) -> None:
    name = random.choice(["chronicle", "failover_resource", "fencing_failure_repaired", "switchover_standby"])
    rows = traps_of(name).splitlines()
    shuffled = rows + random.choices(rows, k=len(rows) // 2)
    random.shuffle(shuffled)
    (tmp_path / "traps").write_bytes(b"\n".join(rows) + b"\n")
    straight = ask(tmp_path / "traps", sources=TRAPS)
    (tmp_path / "traps").write_bytes(b"\n".join(shuffled) + b"\n")
    crooked = ask(tmp_path / "traps", sources=TRAPS)
    for one, other in zip(straight["incidents"], crooked["incidents"], strict=True):
        assert {key: one[key] for key in one if key not in ("timeline", "resources")} == {
            key: other[key] for key in other if key not in ("timeline", "resources")
        }
        assert sorted(one["resources"]) == sorted(other["resources"])


def test_the_zone_of_a_sender_whose_clock_is_local_is_found(tmp_path: Path) -> None:
    date = bytes.fromhex("07ea0b160a3416")  # 10:52:22 UTC; the sender is in Tokyo
    local = bytes.fromhex("07ea0b16133416")
    rows = [row.replace(date.hex().encode(), local.hex().encode()) for row in traps_of(NAME).splitlines()]
    assert rows != traps_of(NAME).splitlines()
    (tmp_path / "traps").write_bytes(b"\n".join(rows) + b"\n")
    answer = ask(tmp_path, sources=TRAPS)
    assert faults(TRUTH, answer, sources={"trap"}) == []
    assert answer["incidents"][0]["started_at"] == "2026-11-22T10:52:22.800Z"


def test_what_is_no_trap_in_a_recording_of_traps_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = traps_of(NAME).splitlines()
    row = json.loads(rows[0])
    bad = [
        b"not json",
        b"{}",
        b'{"t": 1, "src": "192.0.2.1", "hex": "zz"}',
        b'{"t": 1e40, "src": "192.0.2.1", "hex": "30"}',
        json.dumps({**row, "hex": row["hex"][:-20]}).encode(),
        json.dumps({**row, "hex": "3000"}).encode(),
        b"",
    ]
    (tmp_path / "traps").write_bytes(b"\n".join([rows[0], *bad, *rows[1:]]) + b"\n")
    answer = ask(tmp_path, sources=TRAPS)
    (item,) = answer["inputs"]
    assert (item["records"], item["recognised"], item["unrecognised"]) == (17, 11, 6)
    assert len(item["errors"]) == 6
    assert item["errors"][0] == "line 2: not a trap as {t, src, hex}"
    assert any("ends too early" in error or "longer than" in error for error in item["errors"])
    assert faults(TRUTH, answer, sources={"trap"}) == []


def encrypted() -> bytes:
    """A v3 message with octets in place of a scoped PDU that nobody can read."""

    def element(tag: int, content: bytes) -> bytes:
        return bytes((tag, len(content))) + content

    number = element(2, b"\x01")
    header = element(0x30, number + element(2, b"\x05\xdc") + element(4, b"\x03") + element(2, b"\x03"))
    parameters = element(
        0x30, element(4, b"\x80\x00\x1f\x88\x80") + number * 2 + element(4, b"pcmk") + element(4, bytes(12)) + element(4, bytes(8))
    )
    return element(0x30, element(2, b"\x03") + header + element(4, parameters) + element(4, bytes(32)))


def test_of_a_capture_what_is_left_out_is_reported_with_its_reason(tmp_path: Path) -> None:
    wrap = LINKS["ethernet"][1]
    datagrams = [bytes.fromhex(json.loads(row)["hex"]) for row in traps_of(NAME).splitlines()]
    packets = [
        wrap(ipv4(udp(datagrams[0])), 0x0800),
        wrap(ipv4(udp(datagrams[1]), fragment=0x2000), 0x0800),
        wrap(ipv6(udp(datagrams[2])), 0x86DD),
        wrap(ipv4(udp(b"www.example.com", destination_port=53)), 0x0800),  # a capture may hold anything
        wrap(ipv4(udp(b"noise")), 0x0800),
        wrap(ipv4(udp(encrypted())), 0x0800),
    ]
    (tmp_path / "capture").write_bytes(pcap(packets, 1) + b"cut")
    (item,) = ask(tmp_path, sources=TRAPS)["inputs"]
    assert (item["records"], item["recognised"], item["unrecognised"]) == (5, 2, 3)
    assert [error.partition("192.0.2.1: ")[2] or error for error in item["errors"]] == [
        "a fragment of an IP packet, which is not put together",
        "message: unexpected element of type 0x6e",
        "an encrypted v3 message, whose key is not known",
        "the capture ends within a packet",
    ]


def test_traps_without_a_single_one_are_an_answer_in_which_nothing_happened(tmp_path: Path) -> None:
    (tmp_path / "traps.jsonl").write_bytes(b"")
    answer = ask(tmp_path, sources=TRAPS)
    assert (answer["incidents"], answer["events"]) == ([], [])
