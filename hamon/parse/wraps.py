"""Lines that a terminal, a mail program or a document broke at its width are whole lines again.

Law: a file is one of broken lines only if all of it speaks for that: no line is longer than the widest, and whatever stands in a line of
its own without the beginning of an entry would not have fit into the line before it. What a log holds beside its lines stays as it is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hamon.parse.forms import rewritten
from hamon.parse.lines import head

NARROWEST, WIDEST = 72, 140
"""Columns at which tools break lines."""
_LOOKED_AT = 400
_LOOKED_AT_BYTES = 65536
"""Lines by which it is decided, and bytes in which such lines begin."""
_BLANKS, _MANY_BLANKS = 8, 25
"""So many blanks are lost where a line is broken between words: before a level in the detail log, and in the plans of the scheduler."""
_FEW = 4
"""Of fewer broken lines more is asked."""
_TERMINALS = frozenset({80, 100, 120, 132})
"""Widths at which a line is broken in the middle of words. Of others that is believed where a blank begins what follows some break."""
_LONG = re.compile(rb"[^\n]{%d}" % (4 * WIDEST))  # no file of broken lines, in whatever encoding
_DATED = rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2}\s+\d{1,2}\s+\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:|\d{4}/\d\d/\d\d_\d\d:)"
_BEGIN = re.compile(_DATED)
_UNDATED = re.compile(rb"^(?!%s)[^\n]" % _DATED, re.MULTILINE)
_MARKS = (b"--", b"==>")
"""What journalctl, tail and grep write between the lines of logs."""
_SOME_DATE = "Jan  1 00:00:00"


def unwrapped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same blocks of complete lines, those that were broken put together."""
    first = next(blocks, None)
    if first is None:
        return
    may_be = _LONG.search(first, 0, _LOOKED_AT_BYTES) is None and _UNDATED.search(first, 0, _LOOKED_AT_BYTES) is not None
    width = _width(first) if may_be else None
    if width is None:
        yield first
        yield from blocks
        return
    held: list[bytes] = []
    for block in (first, *blocks):
        whole = []
        for line in block.splitlines():
            if held and not _begins(line):
                held.append(line)
            else:
                whole += [_joined(held, width)] if held else []
                held = [line]
        if whole:
            yield b"".join(whole)
    yield _joined(held, width)


def _joined(lines: Sequence[bytes], width: tuple[int, bool]) -> bytes:
    """One line of several. Blanks at the end of a line that was broken anywhere may be lost, and are put back."""
    columns, anywhere = width
    text = lines[0].rstrip()
    for before, line in pairwise(lines):
        text += (b" " * (columns - _columns(before)) if anywhere else b" ") + line.rstrip()
    return text + b"\n"


def _width(data: bytes) -> tuple[int, bool] | None:
    """The columns at which the lines were broken, and whether anywhere (else between words); None: they are whole."""
    lines = [line for line in data.split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    columns = max((_columns(line) for line in lines if b" " in line.strip()), default=0)  # a word alone is not broken between words
    if not NARROWEST <= columns <= WIDEST or not _begins(lines[0]):
        return None
    broken: list[int] = []
    spares: list[int] = []
    in_columns = 0
    anywhere = columns in _TERMINALS
    for before, line in pairwise(lines):
        if not _begins(line):
            anywhere = anywhere or line.startswith(b" ")
            word = len(line.split(None, 1)[0].decode("utf-8", "replace"))
            spares.append(columns - _columns(before) - 1 - word)
            broken.append(_columns(before))
            in_columns += spares[-1] >= _BLANKS and b" Actions: " not in before
            if spares[-1] >= _MANY_BLANKS:
                return None
    full = sum(length >= columns for length in broken)
    if len(broken) < _FEW:
        anywhere = full * 2 >= len(broken) and columns in _TERMINALS
        is_sure = len(broken) > 1 or (anywhere and full == 1)
        return (columns, anywhere) if broken and is_sure and max(spares) < 0 else None
    return (columns, anywhere and full * 2 > len(broken)) if in_columns * 5 <= len(broken) else None


def _columns(line: bytes) -> int:
    return len(line.decode("utf-8", "replace").rstrip())


def _begins(line: bytes) -> bool:
    """Whether an entry of a log begins here, in a usual form or a rare one; an empty line ends one, and so does a mark of a tool."""
    if _BEGIN.match(line) is not None or not line.strip() or line.startswith(_MARKS):
        return True
    plain = rewritten(line.decode("utf-8", "replace"), _SOME_DATE)
    return plain is not None and head(plain.encode("utf-8", "replace").split(None, 11)) is not None
