"""Make a cluster in a folder and hold it until the end of this program: `python -m tests.cluster.hold FOLDER`. SIGUSR1 lets it fail."""

import signal
import sys
import threading
from pathlib import Path

from tests.cluster.cluster import Cluster, NotReached


def fail(_number: int, _frame: object) -> None:
    raise NotReached("what was waited for")


def main() -> None:
    signal.signal(signal.SIGUSR1, fail)
    with Cluster(Path(sys.argv[1])):
        print("up", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
