"""Matching remembers much of what it has seen: that must never show."""

import gzip

import pytest

from hamon.classify.match import Matcher
from hamon.model.observation import LogChunk
from tests.cases import SEEN_AT, rules
from tests.recordings import evidence


def chunk(data: bytes, encodings: tuple[str, ...] = ("utf-8",)) -> LogChunk:
    return LogChunk(cluster="c", collector="c", path="log", data=data, offset=0, received_at=SEEN_AT, encodings=encodings)


@pytest.mark.parametrize("log", ["ha-log", "pacemaker.log", "corosync.log"])
def test_a_line_that_is_said_again_elsewhere_gives_what_it_gives_to_those_who_never_heard_it(log: str) -> None:
    first = gzip.decompress(evidence("chronicle", f"pm01/{log}.gz")[0].read_bytes())
    again = first.replace(b" 10:", b" 11:").replace(b" pm01 ", b" pm09 ")
    assert again != first
    heard = Matcher(rules())
    heard.scan(chunk(first))
    for data in (again, first):
        scan = heard.scan(chunk(data))
        assert scan.events
        assert scan == Matcher(rules()).scan(chunk(data))


def test_a_line_is_remembered_as_its_encoding_reads_it() -> None:
    text = "Nov 22 10:52:22 pm01 pacemaker-controld[106]:  error: 障害 ノード pm02\n"
    matcher = Matcher(rules())
    for encoding in ("utf-8", "euc_jp", "shift_jis"):
        for _ in range(2):
            (event,) = matcher.scan(chunk(text.encode(encoding), (encoding,))).events
            assert event.raw == text.rstrip("\n")
    broken = matcher.scan(chunk(text.encode("euc_jp"))), matcher.scan(chunk(text.encode("euc_jp")))
    assert [scan.undecodable for scan in broken] == [1, 1]
