"""What a receiver of traps remembers over restarts: engines that it learned, their clocks, and who sent last when.

The clocks matter: without them, an old captured trap could be sent again after each restart. Saving is a new file in place of the old one.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

MOST_ENGINES = 1000
MOST_SEEN = 1000

Engine = tuple[bytes, str]
"""An engine and the name of the user that it speaks as."""


@dataclass(slots=True)
class Learned:
    """An engine that was learned from its first authentic message, and from whom."""

    source: str
    first_seen: datetime


@dataclass(slots=True)
class EngineClock:
    """The highest boots and time of an engine that an authentic message had. `reset_at`: when it was last forgiven to start anew."""

    boots: int
    time: int
    reset_at: datetime | None = None


@dataclass(slots=True)
class Seen:
    """Of one sender: when its first and last trap came, and how many in all."""

    first: datetime
    last: datetime
    traps: int = 0


@dataclass(slots=True)
class Memory:
    """What a receiver of traps must know after a restart; a file in the state directory."""

    learned: dict[Engine, Learned] = field(default_factory=dict)
    clocks: dict[Engine, EngineClock] = field(default_factory=dict)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    """By cluster and node, or by cluster and an empty name for all its senders."""


def read(path: Path) -> Memory:
    """What the file holds; nothing, where there is none. Raises OSError or ValueError."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Memory()
    try:
        memory = Memory()
        for one in kept["learned"]:
            memory.learned[bytes.fromhex(one["engine"]), one["user"]] = Learned(one["source"], datetime.fromisoformat(one["first_seen"]))
        for one in kept["clocks"]:
            reset_at = datetime.fromisoformat(one["reset_at"]) if one["reset_at"] else None
            memory.clocks[bytes.fromhex(one["engine"]), one["user"]] = EngineClock(int(one["boots"]), int(one["time"]), reset_at)
        for one in kept["seen"]:
            seen = Seen(datetime.fromisoformat(one["first"]), datetime.fromisoformat(one["last"]), int(one["traps"]))
            memory.seen[one["cluster"], one["node"]] = seen
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError("not the memory of a receiver") from err
    return memory


def as_text(memory: Memory) -> str:
    """What is written; taken on the event loop, so that it is of one moment."""
    kept: Mapping[str, object] = {
        "learned": [
            {"engine": engine.hex(), "user": user, "source": one.source, "first_seen": one.first_seen.isoformat()}
            for (engine, user), one in memory.learned.items()
        ],
        "clocks": [
            {
                "engine": engine.hex(),
                "user": user,
                "boots": one.boots,
                "time": one.time,
                "reset_at": one.reset_at.isoformat() if one.reset_at else None,
            }
            for (engine, user), one in memory.clocks.items()
        ],
        "seen": [
            {"cluster": cluster, "node": node, "first": one.first.isoformat(), "last": one.last.isoformat(), "traps": one.traps}
            for (cluster, node), one in memory.seen.items()
        ],
    }
    return json.dumps(kept, ensure_ascii=False, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """Put the text in place of the file, readable for hamon only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
