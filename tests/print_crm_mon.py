"""Print what the installed `crm_mon` says of all scenarios of `tests/cib.py`: `python -m tests.print_crm_mon FOLDER`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import crm_mon_text
from tests.cib import SCENARIOS


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, build in SCENARIOS.items():
            if name == "large":
                continue
            cib = Path(scratch) / f"{name}.cib"
            cib.write_text(str(build()))
            environment = {**os.environ, "CIB_file": str(cib), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
            for suffix, options in (("xml", ("-1", "--output-as=xml", "-r", "-m3")), ("txt", crm_mon_text.OPTIONS)):
                printed = subprocess.run(["crm_mon", *options], env=environment, capture_output=True, check=True, timeout=60).stdout
                (folder / f"{name}.{suffix}").write_bytes(printed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
