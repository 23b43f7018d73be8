"""How fast what happened was noticed and told, of all that went right in this run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ALL_TOGETHER = "logs, traps and polls"


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds: from the injury to the cluster's first message of it, and from the last message in the opening to the webhook being told.

    `evidence` is what hamon had to go by.
    """

    name: str
    noticed: float
    told: float | None
    evidence: str = ALL_TOGETHER


MEASURED: list[Detection] = []
"""By the tests of this process, which run one after the other; in the end those of all processes."""


def table(measured: Sequence[Detection]) -> list[str]:
    """One line for each; the last ones are median and maximum by each kind of evidence."""
    rows = [(one.name if one.evidence == ALL_TOGETHER else f"{one.name}, {one.evidence}", one.noticed, one.told) for one in measured]
    for evidence in dict.fromkeys(one.evidence for one in measured):
        chosen = [one for one in measured if one.evidence == evidence]
        noticed, told = [one.noticed for one in chosen], [one.told for one in chosen if one.told is not None]
        rows.append((f"median, {evidence}", statistics.median(noticed), statistics.median(told) if told else None))
        rows.append((f"maximum, {evidence}", max(noticed), max(told, default=None)))
    head = f"{'seconds':66}  injury to message  message to told"
    return [head, *(f"{name:66}  {first:17.2f}  {'-' if second is None else f'{second:.2f}':>15}" for name, first, second in rows)]
