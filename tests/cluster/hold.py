"""Make a cluster in a folder and hold it until the end of this program: `python -m tests.cluster.hold FOLDER`."""

import sys
import threading
from pathlib import Path

from tests.cluster.cluster import Cluster


def main() -> None:
    with Cluster(Path(sys.argv[1])):
        print("up", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
