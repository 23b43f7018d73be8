"""The numbered stream of notifications to one receiver, kept in a file: which number comes next, and what the receiver was told.

The law: a number is on the disk before it is sent, and belongs to one delivery for ever, so that what is sent again after a crash has its
old number. What was told is on the disk before the delivery counts as sent. `hamon notify test` writes to the same file, under a lock.
"""

import contextlib
import fcntl
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hamon.snmp.identity import IdentityError

MOST_NUMBER = 4294967295
RECENT = 1000
"""Deliveries whose numbers are remembered: one that is tried again is among the latest."""
COMPACT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """What the receiver knows of an open incident: by which notification, with what content, how many times."""

    number: int
    fingerprint: str
    count: int


class Stream:
    """Blocking; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 1
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._told: dict[str, Told] = {}
        self._offset = 0
        self._inode = -1

    @property
    def last(self) -> int:
        """The last number that was given away; 0 when there was none."""
        return self._next - 1 if self._next > 1 else (MOST_NUMBER if self._numbers else 0)

    def load(self) -> None:
        """Read the file. Raises IdentityError when it cannot be read or written."""
        with self._locked():
            pass

    def number(self, delivery: str) -> tuple[int, bool]:
        """The number of a notification, and whether it had it already. Raises IdentityError."""
        with self._locked():
            if (known := self._numbers.get(delivery)) is not None:
                return known, True
            number = self._next
            self._append({"n": number, "id": delivery})
            self._take(number, delivery)
            return number, False

    def told(self, incident: str) -> Told | None:
        return self._told.get(incident)

    def tell(self, incident: str, told: Told | None) -> None:
        """Remember what the receiver knows now; None: that it is over. Raises IdentityError."""
        with self._locked():
            self._append({"k": incident, "t": asdict(told) if told is not None else None})
            self._know(incident, told)

    # -- the file

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._read()
                yield
                if self._offset > COMPACT_BYTES:
                    self._compact()
            finally:
                os.close(lock)
        except OSError as err:
            raise IdentityError(
                f"{self._path} cannot be used: {err.strerror}; it keeps the numbers of this SNMP target, and nothing is sent without them"
            ) from err

    def _read(self) -> None:
        """Take in what another program wrote."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if (inode := os.fstat(handle).st_ino) != self._inode:
                self._inode, self._offset, self._next = inode, 0, 1
                self._numbers.clear()
                self._told.clear()
            os.lseek(handle, self._offset, os.SEEK_SET)
            content = b""
            while chunk := os.read(handle, 1 << 20):
                content += chunk
        finally:
            os.close(handle)
        # A line that a crash cut short was never acted on.
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                if "id" in record:
                    self._take(int(record["n"]), str(record["id"]))
                else:
                    self._know(str(record["k"]), Told(**record["t"]) if record["t"] is not None else None)
            except (ValueError, KeyError, TypeError):
                continue

    def _append(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        fresh = self._inode < 0
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, self._offset)  # what a crash cut short
            os.pwrite(handle, line, self._offset)
            os.fdatasync(handle)
            self._inode = os.fstat(handle).st_ino
        finally:
            os.close(handle)
        self._offset += len(line)
        if fresh:
            self._sync_folder()

    def _compact(self) -> None:
        records: list[Mapping[str, object]] = [{"n": number, "id": delivery} for delivery, number in self._numbers.items()]
        records += [{"k": incident, "t": asdict(told)} for incident, told in self._told.items()]
        content = b"".join(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n" for record in records)
        new = f"{self._path}.new"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, content)
            os.fsync(handle)
            self._inode = os.fstat(handle).st_ino
        finally:
            os.close(handle)
        os.replace(new, self._path)
        self._sync_folder()
        self._offset = len(content)

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _take(self, number: int, delivery: str) -> None:
        self._numbers[delivery] = number
        self._next = number % MOST_NUMBER + 1
        while len(self._numbers) > RECENT:
            self._numbers.popitem(last=False)

    def _know(self, incident: str, told: Told | None) -> None:
        if told is None:
            self._told.pop(incident, None)
        else:
            self._told[incident] = told


def again(told: Told | None, number: int, fingerprint: str) -> Told:
    """What is known after one more telling."""
    return Told(number, fingerprint, 1) if told is None else replace(told, number=number, fingerprint=fingerprint, count=told.count + 1)
