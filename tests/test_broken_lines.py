"""Logs that a terminal or a mail program broke into lines of its width tell what the whole ones tell; what is whole stays as it is."""

import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.parse.wraps import unwrapped
from tests.test_strangers import STRANGERS, compared, evidence_of, told

ONE_LINE = "rhel8-failure-told-by-the-scheduler"
"""Its log has one line: what was broken there and where is not to be known."""


def anywhere(line: str, width: int) -> list[str]:
    return [line[at : at + width] for at in range(0, max(1, len(line)), width)]


def between_words(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)


def broken(path: Path, how: Callable[[str, int], list[str]], width: int) -> bytes:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(f"{part}\n" for line in lines for part in how(line, width)).encode()


@pytest.mark.parametrize(
    ("how", "width"),
    [
        (anywhere, 80),
        (between_words, 78),
        pytest.param(anywhere, 132, marks=pytest.mark.full),
        pytest.param(between_words, 100, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("folder", [each for each in STRANGERS if each.name != ONE_LINE], ids=lambda folder: folder.name)
def test_a_log_of_broken_lines_tells_what_happened(folder: Path, how: Callable[[str, int], list[str]], width: int, tmp_path: Path) -> None:
    for path in evidence_of(folder):
        (tmp_path / path.name).write_bytes(broken(path, how, width))
    expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    mains = [incident for incident in told([tmp_path / path.name for path in evidence_of(folder)])["incidents"] if not incident["part_of"]]
    assert [compared(incident, wanted) for incident, wanted in zip(mains, expected["main"], strict=True)] == expected["main"]


@pytest.mark.parametrize("folder", STRANGERS, ids=lambda folder: folder.name)
def test_a_log_of_whole_lines_stays_as_it_is_also_with_notes_between_them(folder: Path) -> None:
    for path in evidence_of(folder):
        lines = path.read_bytes().splitlines(keepends=True)
        assert b"".join(unwrapped(iter(lines))) == b"".join(lines)
        longest = max(lines, key=len)
        noted = b"".join(line if line == longest else line + b"so it was\n" for line in lines)
        assert b"".join(unwrapped(iter([noted]))) == noted


@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=100)), st.integers(min_value=1, max_value=5)
)
def test_nothing_is_lost_whatever_stands_there(texts: list[str], pieces: int) -> None:
    lines = [b"Nov 22 10:52:22 pm01 crmd[3]: notice: begins\n", *(f"{text}\n".encode() for text in texts)]
    size = max(1, len(lines) // pieces)
    blocks = [b"".join(lines[at : at + size]) for at in range(0, len(lines), size)]
    assert b"".join(b"".join(unwrapped(iter(blocks))).split()) == b"".join(b"".join(lines).split())


@pytest.mark.parametrize("width", [80, 120])
def test_the_blocks_in_which_a_file_is_read_change_nothing(width: int) -> None:
    for folder in STRANGERS[::6]:
        for path in evidence_of(folder):
            data = broken(path, anywhere, width)
            lines = data.splitlines(keepends=True)
            begin = b"".join(lines[:40])
            assert b"".join(unwrapped(iter([begin, *lines[40:]]))) == b"".join(unwrapped(iter([begin, b"".join(lines[40:])])))
