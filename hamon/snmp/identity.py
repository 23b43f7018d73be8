"""Who we are in SNMPv3: an engine ID that stays, and how often we started (RFC 3414, 2.2 and 2.3).

The law: the number of starts is on the disk before the first message is sent. A receiver that has seen a higher one drops every message
without a word, so a lost file would silence hamon; restoring an old copy of it is repaired by `hamon snmp bump-boots`.
"""

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hamon.errors import HamonError

FILE = "snmp-engine.json"
MOST_BOOTS = 2147483647
"""RFC 3414, 2.2.2: at this number an engine needs another ID."""
_FORMAT = bytes.fromhex("80001f8805")
"""RFC 3411, SnmpEngineID: the enterprise of net-snmp, under whose experimental numbers HAMON-MIB stands, and format 5, octets."""


class IdentityError(HamonError):
    """The identity cannot be kept, or is wrong; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`started_at` is the beginning of engine time."""

    engine_id: bytes
    boots: int
    started_at: datetime

    @property
    def engine_id_text(self) -> str:
        """As `createUser -e` of snmptrapd takes it.

        >>> Identity(engine_id=b"\\x80\\0\\x1f\\x88\\5ab", boots=1, started_at=datetime(2026, 1, 1, tzinfo=UTC)).engine_id_text
        '0x80001f88056162'
        """
        return f"0x{self.engine_id.hex()}"


def parse_engine_id(text: str) -> bytes:
    """Octets of hexadecimal digits, with or without 0x. Raises ValueError.

    >>> parse_engine_id("0x80001F8804").hex()
    '80001f8804'
    """
    digits = text.strip().lower().removeprefix("0x")
    try:
        engine_id = bytes.fromhex(digits)
    except ValueError:
        raise ValueError("an engine ID is written in hexadecimal digits, two for each octet") from None
    if not 5 <= len(engine_id) <= 32:
        raise ValueError("an engine ID has 5 to 32 octets")
    if set(engine_id) <= {0} or set(engine_id) <= {0xFF}:
        raise ValueError("an engine ID of zeros or of ff only means none")
    return engine_id


def start(folder: Path, now: datetime, engine_id: bytes | None = None) -> Identity:
    """Begin another life: count it, and keep the count, before anything is sent. Raises IdentityError.

    `engine_id` is the configured one; without it that of the file, or one made now.
    """
    kept = _read(folder)
    known = bytes.fromhex(str(kept["engine_id"])) if kept is not None else None
    boots = (int(str(kept["boots"])) if kept is not None else 0) + 1
    if boots >= MOST_BOOTS:
        raise IdentityError(f"{folder / FILE}: this engine ID is used up; give another one as snmp.engine_id and remove the file")
    identity = Identity(engine_id=engine_id or known or _FORMAT + secrets.token_bytes(8), boots=boots, started_at=now.astimezone(UTC))
    _write(folder, identity)
    return identity


def current(folder: Path, now: datetime, engine_id: bytes | None = None) -> Identity:
    """The life that goes on, for another program beside the gateway; it begins one when there was none. Raises IdentityError."""
    kept = _read(folder)
    if kept is None:
        return start(folder, now, engine_id)
    return Identity(
        engine_id=engine_id or bytes.fromhex(str(kept["engine_id"])),
        boots=int(str(kept["boots"])),
        started_at=min(now, datetime.fromisoformat(str(kept["started_at"]))),
    )


def bump(folder: Path, now: datetime, by: int = 1000) -> Identity:
    """Count `by` starts that were lost with an old copy of the file. Raises IdentityError."""
    kept = current(folder, now)
    if kept.boots + by >= MOST_BOOTS:
        raise IdentityError(f"{folder / FILE}: there is no room for {by} more starts; give another engine ID as snmp.engine_id")
    bumped = Identity(engine_id=kept.engine_id, boots=kept.boots + by, started_at=now.astimezone(UTC))
    _write(folder, bumped)
    return bumped


def _read(folder: Path) -> dict[str, object] | None:
    path = folder / FILE
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        parse_engine_id(kept["engine_id"])
        datetime.fromisoformat(kept["started_at"]).astimezone(UTC)
        if not 1 <= int(kept["boots"]) <= MOST_BOOTS:
            raise ValueError("boots")
    except FileNotFoundError:
        return None
    except OSError as err:
        raise IdentityError(f"{path} cannot be read: {err.strerror}; it holds hamon's SNMP engine ID") from err
    except (ValueError, KeyError, TypeError) as err:
        raise IdentityError(
            f"{path} is damaged: bring it back from a copy, then run `hamon snmp bump-boots`; or remove it, and give every receiver of "
            "SNMPv3 traps the new engine ID"
        ) from err
    return dict(kept)


def _write(folder: Path, identity: Identity) -> None:
    content = json.dumps({"engine_id": identity.engine_id.hex(), "boots": identity.boots, "started_at": identity.started_at.isoformat()})
    path, fresh = folder / FILE, folder / f"{FILE}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, content.encode("ascii") + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(fresh, path)
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)
    except OSError as err:
        raise IdentityError(
            f"{path} cannot be written: {err.strerror}; without it hamon does not start SNMP, since receivers would drop its messages "
            "after the next start"
        ) from err
