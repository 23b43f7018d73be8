"""The tree of hamon's errors.

HamonError
├── ConfigError     a list of problems in the configuration, all of them at once
├── RuleError       a rule file that is refused: file, rule id, reason
├── ParseError      input that could not be read; keeps the raw input
├── SourceError     a source is out of reach; it will be tried again
├── StoreError      the history cannot be read or written; what to do stands in the text
│   └── StoreRefusal  the database will never take what it was given
└── DeliveryError   a notification was not handed over: reason, and whether trying again is useless
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class HamonError(Exception):
    """Anything that hamon itself reports as wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in the configuration: a stable id, the dotted key, what and how to mend it."""

    id: str
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"\n    hint: {self.hint}" if self.hint else ""
        return f"[{self.id}] {self.key}: {self.message}{hint}"


class ConfigError(HamonError):
    """`problems` are all that were found, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RuleError(HamonError):
    """`file` and `rule` say where (None: the file as a whole), `reason` what is wrong."""

    def __init__(self, file: str, rule: str | None, reason: str) -> None:
        where = f"{file}, rule {rule}" if rule else file
        super().__init__(f"{where}: {reason}")
        self.file, self.rule, self.reason = file, rule, reason


class ParseError(HamonError):
    """`raw` is the input as it came."""

    def __init__(self, reason: str, raw: str | bytes) -> None:
        super().__init__(reason)
        self.raw = raw


class SourceError(HamonError):
    pass


class StoreError(HamonError):
    pass


class StoreRefusal(StoreError):
    """The database will never take what it was given: trying again is useless. `said` are its own words.

    `spoils`: nothing else can be written in the same transaction either.
    """

    def __init__(self, message: str, said: str, *, spoils: bool = False) -> None:
        super().__init__(message)
        self.said, self.spoils = said, spoils


class DeliveryReason(StrEnum):
    """Why a delivery failed, in few words that also serve as metric label."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    DEFECT = "defect"


class DeliveryError(HamonError):
    """`permanent`: the peer refuses this message for good. `unsure`: it may have taken it, so the next attempt is marked as repeated.

    `retry_after_seconds` is the shortest wait that the peer asks for.
    """

    def __init__(
        self,
        reason: DeliveryReason,
        message: str,
        *,
        permanent: bool = False,
        unsure: bool = False,
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.reason, self.permanent, self.unsure, self.retry_after_seconds = reason, permanent, unsure, retry_after_seconds
