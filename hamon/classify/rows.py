"""What polls show in a row: a state is what two of them show, at least two seconds apart (taxonomy 8)."""

from datetime import datetime, timedelta

from hamon.classify.state import State

APART = timedelta(seconds=2)
"""Two polls that are closer together than this are one."""
QUIET = timedelta(seconds=30)
"""How long a poll may show an older state than a log or a trap told of."""


class Rows:
    """What several polls in a row show; one may catch the cluster in between."""

    def __init__(self, state: State) -> None:
        self._state = state

    def lasts(self, name: str, at: datetime, seen: set[str]) -> bool:
        """Note that a poll shows something; whether one before it did so too, long enough ago."""
        seen.add(name)
        since = self._state.polls.since.setdefault(name, at)
        return at - since >= APART

    def since(self, name: str) -> datetime | None:
        return self._state.polls.since.get(name)

    def is_settled(self, name: str, at: datetime) -> bool:
        since = self.since(name)
        return since is not None and at - since >= APART

    def silent(self, at: datetime, *names: str | None) -> bool:
        """Whether no log or trap told of changes of these within the last half minute."""
        return all(at - self._state.heard[name] > QUIET for name in names if name is not None and name in self._state.heard)
