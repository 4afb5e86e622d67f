"""Run a command until standard input ends: so a service ends when the harness does, however that comes about. A script of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

_END_S = 30.0
_NOT_FOUND = 127


def keep(command: Sequence[str]) -> int:
    """Run a command until it ends, or standard input does; return its exit code."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603, the config's own command
    except OSError as error:
        print(f"{command[0]}: {error.strerror or error}")  # noqa: T201, into the service's log
        return _NOT_FOUND
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    return child.wait()


def _end_with_input(child: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of standard input, then end the command: kindly, and after a while at all costs."""
    while os.read(0, 1024):
        pass
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
