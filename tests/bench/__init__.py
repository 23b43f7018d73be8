"""The benchmarks, no tests. They begin as the program does."""

from hamon.__main__ import spare_locks

spare_locks()
