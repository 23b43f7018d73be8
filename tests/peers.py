"""Real programs that tests talk to. A missing one skips the test, on CI it fails."""

import os
import shutil
import sys
from glob import glob
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test for `reason`; fail it when CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def found(program: str) -> str | None:
    """The path of `program`, also where users of the system do not look."""
    own = os.path.dirname(sys.executable)  # what pip installed beside the Python that runs the tests
    folders = [os.environ.get("PATH", os.defpath), own, "/usr/sbin", "/sbin", *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    return shutil.which(program, path=os.pathsep.join(folders))


def need(program: str) -> str:
    """Return the path of `program`; skip the test when it is not installed, fail it when CI=true."""
    path = found(program)
    if path is None:
        missing(f"the program {program} is not installed")
    return path
