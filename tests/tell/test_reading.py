"""What of recorded evidence could not be read, in Japanese: as it is said where it is met."""

import re
from pathlib import Path

import pytest

from hamon import tell
from hamon.analyze import Options, analyze, to_report, to_text
from hamon.tell.words import fill, keys, raw
from tests.cases import rules

_GIVEN = {"problem": "no such file", "at": "10:52:22.300000", "source": "192.0.2.1", "why": "Permission denied", "part": "a block"}
LINE = b"Nov 22 10:52:22 pm01 pacemaker-controld[5]:  notice: Set DC to pm01 (3.16.1)\n"


@pytest.mark.parametrize("key", sorted(key for key in keys("en") if key.startswith("reading.")))
def test_each_is_told_in_japanese_with_what_it_names(key: str) -> None:
    values = dict.fromkeys(re.findall(r"\{(\w+)\}", raw(key, "en")), "7") | _GIVEN
    said = fill(raw(key, "en"), values)
    told = tell.input_problem(said, "ja")
    assert tell.input_problem(said, "en") == said
    assert told == fill(raw(key, "ja"), values | {"problem": raw("reading.no_file", "ja")})
    assert re.search(r"[\u3040-\u30ff]", told)
    assert set(re.findall(r"\{(\w+)\}", raw(key, "ja"))) == set(re.findall(r"\{(\w+)\}", raw(key, "en")))


def test_what_is_not_known_stays_as_it_is() -> None:
    assert tell.input_problem("something new", "ja") == "something new"


def test_a_report_in_japanese_says_in_japanese_what_could_not_be_read(tmp_path: Path) -> None:
    files = {
        "notes.txt": b"We had a call with the vendor.\n",
        "a.zip": b"PK\x03\x04rest",
        "b.zst": b"\x28\xb5\x2f\xfdrest",
        "c.lz4": b"\x04\x22\x4d\x18rest",
        "d.7z": b"7z\xbc\xafrest",
        "e.journal": b"LPKSHHRHrest",
        "cut.gz": b"\x1f\x8b\x08\x00",
        "cut.tar.xz": b"\xfd7zXZ\x00rest",
        "cut.pcap": b"\xd4\xc3\xb2\xa1\x02\x00",
        "cut.xml": b'<pacemaker-result api-version="2.25"><nodes>',
        "traps.jsonl": b'{"t": 1, "src": "192.0.2.1", "hex": "00"}\n{"t": "x", "hex": 1}\n',
        "index.jsonl": b'{"t": 1795344814, "node": "pm01", "file": "s1.xml"}\n{"file": 1}\n',
        "ha-log": LINE,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = analyze([tmp_path, tmp_path / "absent"], rules(), Options(year=2026))
    problems = [error for item in found.inputs for error in item.errors[:1]]
    assert len(problems) == len(files)  # all but the log, and what is absent
    for text in (to_text(found, "ja", "UTC"), to_report(found, ".md", "ja", "UTC")):
        for problem in problems:
            assert problem not in text
