"""The program: `hamon`, or `python -m hamon`."""

import contextlib
import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc, see mallopt(3)


def spare_memory() -> None:
    """Have the C library give freed memory back: by itself it keeps, in each thread, what the largest batch so far needed."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        for option, value in ((_TRIM_THRESHOLD, 65536), (_MMAP_THRESHOLD, 65536), (_ARENA_MAX, 2)):
            libc.mallopt(option, value)


def main() -> int:
    """Run the command line."""
    spare_memory()
    # What is imported stays: to look through it for garbage, again and again, would take a tenth of the time to start.
    gc.disable()
    from hamon import cli

    options = cli.parsed(sys.argv[1:])
    gc.freeze()
    gc.enable()
    return cli.run(options)


if __name__ == "__main__":
    sys.exit(main())
