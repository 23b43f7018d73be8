"""What the database will never take: found by halving the batch, kept in a file, and left out, so that everything behind it goes on.

A record is set aside only where the database took the rest of the same transaction: what is wrong with the database as a whole (its
disk, its tables, a lock) is no reason to set anything aside.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hamon.clock import Clock
from hamon.errors import StoreRefusal
from hamon.ports import Recording, RecordKind, Refused
from hamon.store import records

log = logging.getLogger(__name__)

FILE = "refused.jsonl"
"""In the state directory: one JSON object a line, `at`, `what`, `cluster`, `about`, `reason`, and the whole `record`."""
MAX_BYTES = 16 * 1024 * 1024
"""Of the file; what was written before stands beside it in one with the ending `.1`."""
MAX_RECORD_BYTES = 1024 * 1024
"""A longer record is cut: what it is and why it was refused is kept."""


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest part of a batch that can be left out, as a batch of its own."""

    what: RecordKind
    cluster: str
    about: str
    record: object
    alone: Recording


def atoms(recording: Recording) -> list[Atom]:
    """The parts of a batch, in the order in which they are written."""
    found = [Atom(RecordKind.EVENT, item.cluster, item.ref, item, Recording(events=[item])) for item in recording.events]
    for step in recording.transitions:
        about = f"{step.incident.key}, step {step.sequence}"
        found.append(Atom(RecordKind.STEP, step.incident.cluster, about, step, Recording(transitions=[step])))
    for delivery in recording.deliveries:
        cluster = delivery.transition.incident.cluster
        found.append(Atom(RecordKind.DELIVERY, cluster, delivery.id, delivery, Recording(deliveries=[delivery])))
    found += [Atom(RecordKind.POSITION, "", item.path, item, Recording(positions=[item])) for item in recording.positions]
    for cluster, state in recording.states.items():
        found.append(Atom(RecordKind.STATE, cluster, cluster, state.decode(errors="replace"), Recording(states={cluster: state})))
    found += [Atom(RecordKind.RELAY, "", item.target, item, Recording(relays=[item])) for item in recording.relays]
    found += [Atom(RecordKind.POLL, item.cluster, item.cluster, item, Recording(polls=[item])) for item in recording.polls]
    return found


def joined(parts: Sequence[Atom]) -> Recording:
    """The parts as one batch again."""
    alone = [part.alone for part in parts]
    return Recording(
        events=[item for one in alone for item in one.events],
        transitions=[item for one in alone for item in one.transitions],
        deliveries=[item for one in alone for item in one.deliveries],
        positions=[item for one in alone for item in one.positions],
        states={name: state for one in alone for name, state in one.states.items()},
        relays=[item for one in alone for item in one.relays],
        polls=[item for one in alone for item in one.polls],
    )


class Sieve:
    """Finds what of a batch is refused, and has all else written."""

    def __init__(self, recording: Recording) -> None:
        self._atoms = atoms(recording)
        self._reasons: dict[int, str] = {}
        self._split: set[tuple[int, int]] = set()

    @property
    def found(self) -> list[tuple[Atom, str]]:
        """What is refused, each with the reason."""
        return [(self._atoms[index], self._reasons[index]) for index in sorted(self._reasons)]

    @property
    def progress(self) -> int:
        return len(self._reasons) + len(self._split)

    def write(self, write: Callable[[Recording], None]) -> None:
        """Write all that is taken. `write` takes a part whole, or raises StoreRefusal and took nothing of it.

        Raises a StoreRefusal that spoils the transaction; in another one this goes on where it was, as long as there is progress.
        """
        if self._atoms:
            self._part(0, len(self._atoms), write)

    def _part(self, begin: int, end: int, write: Callable[[Recording], None]) -> None:
        if begin in self._reasons and end == begin + 1:
            return
        if (begin, end) not in self._split:
            try:
                write(joined(self._atoms[begin:end]))
            except StoreRefusal as err:
                if end == begin + 1:
                    self._reasons[begin] = err.said
                else:
                    self._split.add((begin, end))
                if err.spoils:
                    raise
            else:
                return
        if end > begin + 1:
            half = (begin + end) // 2
            self._part(begin, half, write)
            self._part(half, end, write)


class SetAside:
    """The file of what was refused, readable for the user that runs hamon only. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._file = folder / FILE if folder is not None else None
        self._clock = clock

    def keep(self, found: Sequence[tuple[Atom, str]]) -> list[Refused]:
        """Append to the file (blocks); return what is to be told. A file that cannot be written is said, and stops nothing."""
        refused = [Refused(what=atom.what, cluster=atom.cluster, about=atom.about, reason=reason) for atom, reason in found]
        if self._file is None or not refused:
            return refused
        try:
            self._append(self._file, [self._line(atom, reason) for atom, reason in found])
        except OSError as err:
            log.error("what the database refused cannot be kept in a file", extra={"file": str(self._file), "error": err.strerror})
            return refused
        return [Refused(what=one.what, cluster=one.cluster, about=one.about, reason=one.reason, kept=str(self._file)) for one in refused]

    def _line(self, atom: Atom, reason: str) -> str:
        about = {"at": self._clock.now(), "what": atom.what, "cluster": atom.cluster, "about": atom.about, "reason": reason}
        try:
            line = records.to_json(about | {"record": atom.record})
        except (ValueError, TypeError):
            line = ""  # it is refused for what no JSON can say
        if not line or len(line) > MAX_RECORD_BYTES:
            line = records.to_json(about | {"record": repr(atom.record)[:MAX_RECORD_BYTES]})
        return line

    def _append(self, file: Path, lines: Sequence[str]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists() and file.stat().st_size > MAX_BYTES:
            file.replace(file.with_name(f"{FILE}.1"))
        with open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8", errors="backslashreplace") as out:
            out.writelines(f"{line}\n" for line in lines)
