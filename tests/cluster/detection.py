"""How fast what happened was noticed and told, of all that went right in this run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ALL_TOGETHER = "logs, traps and polls"


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds: from the injury to the cluster's first message of it; from the last message in the opening, and from the one that decided
    the kind, to the webhook being told.

    `evidence` is what hamon had to go by.
    """

    name: str
    noticed: float
    told: float | None
    decided: float | None = None
    evidence: str = ALL_TOGETHER


MEASURED: list[Detection] = []
"""By the tests of this process, which run one after the other; in the end those of all processes."""


def table(measured: Sequence[Detection]) -> list[str]:
    """One line for each; the last ones are median and maximum by each kind of evidence."""
    rows: list[tuple[str, float | None, float | None, float | None]] = [
        (one.name if one.evidence == ALL_TOGETHER else f"{one.name}, {one.evidence}", one.noticed, one.told, one.decided)
        for one in measured
    ]
    for evidence in dict.fromkeys(one.evidence for one in measured):
        chosen = [one for one in measured if one.evidence == evidence]
        columns = [[value for value in column if value is not None] for column in zip(*map(_figures, chosen), strict=True)]
        for word, what in (("median", statistics.median), ("maximum", max)):
            noticed, told, decided = (what(column) if column else None for column in columns)
            rows.append((f"{word}, {evidence}", noticed, told, decided))
    head = f"{'seconds':66}  injury to message  last message to told  decision to told"
    return [
        head,
        *(f"{name:66}  {_shown(noticed):>17}  {_shown(told):>20}  {_shown(decided):>16}" for name, noticed, told, decided in rows),
    ]


def _figures(one: Detection) -> tuple[float | None, ...]:
    return one.noticed, one.told, one.decided


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"
