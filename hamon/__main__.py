"""The program: `hamon`, or `python -m hamon`."""

import contextlib
import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc, see mallopt(3)
_MEMORY_STATUS = 9  # of SQLite, see sqlite3_config


def spare_memory() -> None:
    """Have the C library give freed memory back: by itself it keeps, in each thread, what the largest batch so far needed."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        for option, value in ((_TRIM_THRESHOLD, 65536), (_MMAP_THRESHOLD, 65536), (_ARENA_MAX, 2)):
            libc.mallopt(option, value)


def spare_locks() -> None:
    """Have SQLite not add up how much memory it uses, for which it takes a lock at each piece: a sixth of what a row costs.

    It can be told so only before Python loads it.
    """
    with contextlib.suppress(OSError, AttributeError):  # it has its own SQLite
        ctypes.CDLL("libsqlite3.so.0").sqlite3_config(_MEMORY_STATUS, 0)


def main() -> int:
    """Run the command line."""
    spare_memory()
    spare_locks()
    # What is imported stays: to look through it for garbage, again and again, would take a tenth of the time to start.
    gc.disable()
    from hamon import cli

    options = cli.parsed(sys.argv[1:])
    gc.freeze()
    gc.enable()
    return cli.run(options)


if __name__ == "__main__":
    sys.exit(main())
