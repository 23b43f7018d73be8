"""A `crm report` and a sosreport as folder and tarball, and tarballs that mean harm.

The logs are those of a recording; the layouts are those of crm_report (Pacemaker 2.1) and of sos 4.
"""

import codecs
import gzip
import io
import json
import tarfile
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hamon.analyze import NothingReadable
from hamon.analyze import files as recorded_files
from tests.recordings import evidence
from tests.test_analyze import NAME, TRUTH, ask, essence, logs, plain
from tests.truth import faults

CIB = b'<cib crm_feature_set="3.19.0" validate-with="pacemaker-3.9"><configuration/></cib>\n'
CRM_MON = b"Cluster Summary:\n  * Stack: corosync (Pacemaker is running)\n  * Current DC: pm01\n"


def crm_report() -> dict[str, bytes]:
    """Path to content, below the folder of the report."""
    files = {
        "analysis.txt": b"Diff cib.xml... OK\n\nChecking problems with cluster membership... OK\n",
        "description.txt": b"Please edit this template and describe the issue/problem you encountered.\n",
    }
    for node, data in logs().items():
        files |= {
            f"{node}/ha-log.txt": data,
            f"{node}/pacemaker.log": plain(evidence(NAME, f"{node}/pacemaker.log.gz")[0]),
            f"{node}/crm_mon.txt": CRM_MON,
            f"{node}/cib.xml": CIB,
            f"{node}/corosync.conf": b"totem {\n\tversion: 2\n}\n",
            f"{node}/sysinfo.txt": b"Kernel release : 6.1.0\n",
            f"{node}/pengine/pe-input-1.bz2": b"BZh9 no log at all",
        }
    return files


def sosreport(node: str) -> dict[str, bytes]:
    return {
        "var/log/messages": logs()[node],
        "var/log/pacemaker/pacemaker.log": plain(evidence(NAME, f"{node}/pacemaker.log.gz")[0]),
        "var/lib/pacemaker/cib/cib.xml": CIB,
        "var/log/journal/system.journal": b"LPKSHHRH" + bytes(4000),
        "etc/corosync/corosync.conf": b"totem {\n\tversion: 2\n}\n",
        "sos_commands/pacemaker/crm_mon_-1": CRM_MON,
        "version.txt": b"sosreport: 4.7.2\n",
    }


def written(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def packed(files: Mapping[str, bytes], top: str, compression: str = "gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mtime = len(content), 1_795_000_000
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def sos_of_all_nodes() -> dict[str, bytes]:
    return {f"sosreport-{node}-2026.tar.xz": packed(sosreport(node), f"sosreport-{node}", "xz") for node in sorted(logs())}


def test_a_crm_report_says_what_its_logs_say_as_folder_and_in_every_compression(tmp_path: Path) -> None:
    expected = essence(ask(written(tmp_path / "logs", {name: data for name, data in crm_report().items() if "log" in name})))
    assert essence(ask(written(tmp_path / "report", crm_report()))) == expected
    for compression in ("", "gz", "bz2", "xz"):
        (tmp_path / f"report-{compression}").write_bytes(packed(crm_report(), "crm_report-Sun", compression))
        answer = ask(tmp_path / f"report-{compression}")
        assert essence(answer) == expected, compression
        assert faults(TRUTH, answer) == []


def test_what_a_collector_quotes_from_logs_is_no_evidence(tmp_path: Path) -> None:
    """As crmsh 4.4 did of a cluster of Pacemaker 2.1.5 that booted: a line several times, without what came after it."""
    quoted = b"Nov 22 10:59:20.454 pm02 pacemaker-controld  [79] (pcmk__corosync_quorum_connect) \twarning: No quorum\n" * 2
    files = crm_report()
    expected = essence(ask(written(tmp_path / "report", files)))
    files["analysis.txt"] += b"Log pattern matches from pm02:\n\n" + quoted
    files["pm02/events.txt"] = quoted
    assert essence(ask(written(tmp_path / "quoting", files))) == expected
    # The same lines in a log of their own would be evidence.
    files["pm02/other.log"] = quoted
    assert essence(ask(written(tmp_path / "telling", files))) != expected


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-8", codecs.BOM_UTF8)],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_logs_as_tools_of_windows_write_them_say_the_same(
    tmp_path: Path, encoding: str, mark: bytes, pack: Callable[[bytes], bytes]
) -> None:
    expected = essence(ask(written(tmp_path / "plain", {f"{node}.txt": data for node, data in logs().items()})))
    by_windows = {f"{node}.txt": pack(mark + data.decode().replace("\n", "\r\n").encode(encoding)) for node, data in logs().items()}
    incidents, events = essence(ask(written(tmp_path / "windows", by_windows)))
    assert json.loads(json.dumps([incidents, events]).replace("\\r", "")) == [*expected]


def test_tarballs_of_nodes_inside_a_tarball_are_read(tmp_path: Path) -> None:
    (tmp_path / "collected.tar.gz").write_bytes(packed(sos_of_all_nodes(), "sos-collector", "gz"))
    answer = ask(tmp_path / "collected.tar.gz")
    assert faults(TRUTH, answer) == []
    apart = [tmp_path / name for name in sos_of_all_nodes()]
    for path, data in zip(apart, sos_of_all_nodes().values(), strict=True):
        path.write_bytes(data)
    assert essence(ask(*apart)) == essence(ask(*reversed(apart))) == essence(answer)


def test_of_a_collection_only_evidence_is_listed(tmp_path: Path) -> None:
    answer = ask(written(tmp_path / "report", crm_report()))
    named = sorted(item["path"].removeprefix(f"{tmp_path}/report/") for item in answer["inputs"])
    assert named == [f"{node}/{name}" for node in sorted(logs()) for name in ("ha-log.txt", "pacemaker.log")]


def test_links_of_an_unpacked_sosreport_do_not_lead_to_this_machine(tmp_path: Path) -> None:
    root = written(tmp_path / "sos", sosreport("pm01"))
    (tmp_path / "messages-of-this-machine").write_bytes(logs()["pm02"])
    (root / "var/log/syslog").symlink_to(tmp_path / "messages-of-this-machine")
    (root / "var/log/again").symlink_to("messages")
    answer = ask(root)
    assert sorted(Path(item["path"]).name for item in answer["inputs"]) == ["messages", "pacemaker.log"]


def tar_of(add: Callable[[tarfile.TarFile], None]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        add(archive)
    return data.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(content)
        archive.addfile(info, io.BytesIO(content))

    return add


def test_a_tarball_that_means_harm_writes_nothing_elsewhere_and_its_evidence_is_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    harmful = [
        member("../escaped", b"evil"),
        member(f"{outside}/absolute", b"evil"),
        member("report/link", kind=tarfile.SYMTYPE, link=str(outside)),
        member("report/link/through", b"evil"),
        member("report/hard", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        member("report/pipe", kind=tarfile.FIFOTYPE),
        member("report/disk", kind=tarfile.BLKTYPE),
        member("/".join("d" * 1 for _ in range(1500)), b"deep"),
        member("report/" + "n" * 300, b"long"),
        member("report/pm01/ha-log.txt/below", b"evil"),
    ]
    good = [member(f"report/{name}", data) for name, data in crm_report().items()]

    def everything(archive: tarfile.TarFile) -> None:
        for add in [*good, *harmful]:
            add(archive)

    (tmp_path / "evil.tar.gz").write_bytes(tar_of(everything))
    answer = ask(tmp_path / "evil.tar.gz")
    assert faults(TRUTH, answer) == []
    assert list(outside.iterdir()) == []
    assert not list(tmp_path.rglob("escaped"))
    told = [error for item in answer["inputs"] for error in item["errors"]]
    assert sum("refused, as its name" in error for error in told) == 3
    assert sum("cannot be unpacked" in error for error in told) == 2


def test_a_tarball_inside_of_too_many_others_is_told(tmp_path: Path) -> None:
    data = packed({"ha-log": logs()["pm01"]}, "inner")
    for level in range(recorded_files.DEEPEST + 1):
        data = packed({f"level{level}.tar.gz": data}, "box")
    (tmp_path / "box.tar.gz").write_bytes(data)
    with pytest.raises(NothingReadable, match="unpack it yourself"):
        ask(tmp_path / "box.tar.gz")


def test_more_files_than_allowed_end_the_unpacking_and_what_came_before_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_files, "MOST_MEMBERS", len(crm_report()))
    (tmp_path / "many.tar").write_bytes(packed({**crm_report(), **{f"more/{n}": b"x" for n in range(5)}}, "report", ""))
    answer = ask(tmp_path / "many.tar")
    assert faults(TRUTH, answer) == []
    assert any("not wholly unpacked: more than" in error for item in answer["inputs"] for error in item["errors"])


def test_a_file_that_unpacks_to_more_than_allowed_ends_the_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_files, "MOST_BYTES", 3 * 1024**2)
    files = {**crm_report(), "zzz/bomb.txt": b"Nov 22 10:00:00 a b: c\n" * 400_000}
    (tmp_path / "bomb.tar.gz").write_bytes(packed(files, "report"))
    answer = ask(tmp_path / "bomb.tar.gz")
    assert faults(TRUTH, answer) == []
    assert any("not wholly unpacked" in error for item in answer["inputs"] for error in item["errors"])


def test_a_header_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    log = tarfile.TarInfo("report/ha-log")
    log.size = len(logs()["pm01"])
    claim = tarfile.TarInfo("././@LongLink")
    claim.type, claim.size = tarfile.GNUTYPE_LONGNAME, 200 * 1024**2
    body = log.tobuf() + logs()["pm01"] + bytes(-log.size % 512) + claim.tobuf(tarfile.GNU_FORMAT) + bytes(200 * 1024**2)
    (tmp_path / "claim.tar.gz").write_bytes(gzip.compress(body, 1))
    del body
    tracemalloc.start()
    answer = ask(tmp_path / "claim.tar.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 1024**2
    assert any(item["node"] == "pm01" for item in answer["inputs"])
    assert any("a header that does not end" in error for item in answer["inputs"] for error in item["errors"])
