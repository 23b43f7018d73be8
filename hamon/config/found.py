"""What is wrong, and where in the tree."""

from dataclasses import dataclass

from hamon.config.toml import Location, dotted
from hamon.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A problem and where in the tree it is."""

    id: str
    location: Location
    message: str
    hint: str = ""

    def problem(self) -> Problem:
        return Problem(id=self.id, key=dotted(self.location), message=self.message, hint=self.hint)
