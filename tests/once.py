"""What the test processes of one session share: which tests there are, and what is made once for all of them."""

import fcntl
import json
import os
import tempfile
from pathlib import Path

_FOLDER = "HARNESS_TESTS_FOLDER"
_files = set()


def open_folder(config):
    """Make the folder of this session, which goes with it; the processes that pytest-xdist starts have it from the first."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="harness-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[_FOLDER] = folder.name


def take(items):
    """Note the files of the tests that are going to run."""
    _files.update(item.path.name for item in items)


def among(name):
    """Tell whether tests of this file are among those that are going to run, whichever process runs them."""
    return name in _files


def made(name, make):
    """Return what `make` returns, which is JSON; the first process that asks for it makes it, and the others wait."""
    path = Path(os.environ[_FOLDER]) / f"{name}.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_text(json.dumps(make()), "utf-8")
        return json.loads(path.read_text("utf-8"))
