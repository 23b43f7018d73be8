"""Numbers of the rows of tables: a name keeps its number for ever, and no number is used twice, also after a restart."""

import contextlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from hamon.snmp.identity import IdentityError

FILE = "snmp-agent.json"


class Numbers:
    """Blocking; used by one thread at a time. What was numbered is on the disk after `save`, before it is shown."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._next: dict[str, int] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self._changed = False

    def load(self) -> None:
        """Raises IdentityError."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._next = {str(table): int(number) for table, number in kept["next"].items()}
            tables = kept["numbers"].items()
            self._numbers = {str(table): {str(name): int(number) for name, number in names.items()} for table, names in tables}
        except FileNotFoundError:
            return
        except OSError as err:
            raise IdentityError(f"{self._path} cannot be read: {err.strerror}; it keeps the row numbers of the SNMP agent") from err
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise IdentityError(f"{self._path} is damaged; remove it, and rows of the SNMP agent get new numbers") from err

    def of(self, table: str, name: str) -> int:
        numbers = self._numbers.setdefault(table, {})
        if (number := numbers.get(name)) is None:
            number = self._next.get(table, 1)
            numbers[name] = number
            self._next[table] = number + 1
            self._changed = True
        return number

    def keep(self, table: str, names: Collection[str]) -> None:
        """Forget those of other names; their numbers are not used again."""
        numbers = self._numbers.get(table, {})
        if gone := [name for name in numbers if name not in names]:
            for name in gone:
                del numbers[name]
            self._changed = True

    def save(self) -> None:
        """Raises IdentityError."""
        if not self._changed:
            return
        content = json.dumps({"next": self._next, "numbers": self._numbers}).encode("utf-8", "backslashreplace")
        fresh = self._path.with_name(f"{FILE}.new")
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, content)
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(fresh, self._path)
        except OSError as err:
            raise IdentityError(f"{self._path} cannot be written: {err.strerror}; it keeps the row numbers of the SNMP agent") from err
        self._changed = False
