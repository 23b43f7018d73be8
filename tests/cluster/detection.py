"""How fast what happened was noticed and told, of all that went right in this run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds: from the injury to the cluster's first message of it, and from the last message in the opening to the webhook being told."""

    name: str
    noticed: float
    told: float | None


MEASURED: list[Detection] = []
"""By the tests of this process, which run one after the other."""


def table(measured: Sequence[Detection]) -> list[str]:
    """One line for each; the last two are the median and the maximum."""
    rows = [(one.name, one.noticed, one.told) for one in measured]
    noticed, told = [one.noticed for one in measured], [one.told for one in measured if one.told is not None]
    rows.append(("median", statistics.median(noticed), statistics.median(told) if told else None))
    rows.append(("maximum", max(noticed), max(told, default=None)))
    head = f"{'seconds':50}  injury to message  message to told"
    return [head, *(f"{name:50}  {first:17.2f}  {'-' if second is None else f'{second:.2f}':>15}" for name, first, second in rows)]
