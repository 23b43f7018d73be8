"""`make accuracy`: how right hamon is about every recording, by each kind of evidence alone, every pair, and all three.

Each cell is a whole `hamon analyze` of these witnesses, judged by `truth.py`: kind, planned or not, outcome, nodes, resources, from and to,
fenced, one main incident, no other alarm, and the times. Where the evidence cannot know, the judge asks for less, and the cell says so.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hamon.analyze import Options, analyze, to_json
from hamon.model.observation import Source
from tests.cases import rules
from tests.recordings import NAMES, WITNESSES, answer_from, sources_of, truth_of
from tests.truth import faults, misdated

COLUMNS: Mapping[str, str] = {
    "log": "both",
    "trap": "traps",
    "poll": "polls",
    "log+trap": "logs and traps",
    "log+poll": "logs and polls",
    "trap+poll": "traps and polls",
    "all three": "all",
}
FURTHER = Path(__file__).parent / "corpus" / "further"
FURTHER_NAMES = sorted(path.name for path in FURTHER.iterdir())
FURTHER_LOGS = ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one answer compares."""

    recording: str
    column: str
    misses: Sequence[str]
    leave: bool
    """It is right only because this evidence cannot know more; all of what can be known is there."""


def cell(recording: str, column: str) -> Cell:
    witnesses = COLUMNS[column]
    truth, answer, sources = truth_of(recording), answer_from(recording, witnesses), sources_of(witnesses)
    misses = [*faults(truth, answer, sources=sources), *misdated(truth, answer, sources=sources)]
    # What a recording's logs and polls together must tell is everything; where that is asked and missing, leave was taken.
    everything = [*faults(truth, answer, sources={"log", "poll"}), *misdated(truth, answer, sources={"log", "poll"})]
    return Cell(recording=recording, column=column, misses=misses, leave=not misses and bool(everything))


@cache
def further(recording: str) -> Cell:
    truth: Mapping[str, Any] = json.loads((FURTHER / recording / "truth.json").read_text(encoding="utf-8"))
    paths = [path for pattern in FURTHER_LOGS for path in sorted((FURTHER / recording).glob(pattern))]
    options = Options(sources=frozenset({Source.LOG}), year=int(truth["window"]["start_iso"][:4]))
    answer = to_json(analyze(paths, rules(), options), "en")
    return Cell(recording=recording, column="log", misses=[*faults(truth, answer), *misdated(truth, answer, sources={"log"})], leave=False)


def table(cells: Iterable[Cell]) -> str:
    """One row a recording, one column a choice of sources; below it every miss in words."""
    rows: dict[str, dict[str, Cell]] = {}
    for item in cells:
        rows.setdefault(item.recording, {})[item.column] = item
    width = max(map(len, rows))
    lines = [f"{'recording':<{width}}  " + "".join(f"{column:^11}" for column in COLUMNS)]
    for recording, row in rows.items():
        lines.append(f"{recording:<{width}}  " + "".join(f"{_mark(row.get(column)):^11}" for column in COLUMNS))
    everything = [item for row in rows.values() for item in row.values()]
    right = [item for item in everything if not item.misses]
    leave = sum(item.leave for item in everything)
    lines += ["", f"{len(right)} of {len(everything)} right; {leave} of them (right): in all that this evidence can know"]
    lines += [f"MISS {item.recording}, {item.column}: {miss}" for item in everything for miss in item.misses]
    return "\n".join(lines)


def _mark(item: Cell | None) -> str:
    if item is None:
        return ""
    return f"{len(item.misses)} wrong" if item.misses else "(right)" if item.leave else "right"


def cells() -> list[Cell]:
    assert set(COLUMNS.values()) <= set(WITNESSES)
    return [cell(name, column) for name in NAMES for column in COLUMNS] + [further(name) for name in FURTHER_NAMES]


def main() -> int:
    found = cells()
    print(table(found))
    return 1 if any(item.misses for item in found) else 0


if __name__ == "__main__":
    sys.exit(main())
