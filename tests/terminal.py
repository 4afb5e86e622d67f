"""The real command on a real terminal, of a size of its own."""

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path


def on_terminal(folder: Path, *arguments: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """Run `harness` in a folder on a terminal that wide; return its exit code and all that the terminal was sent."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.chdir(folder)
        known = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR", "COLUMNS", "LINES"}}
        os.execve(sys.executable, [sys.executable, "-m", "harness.cli", *arguments], {**known, "TERM": "xterm", **environment})  # noqa: S606
    sent = b""
    with contextlib.suppress(OSError):  # the terminal is gone once the process has ended
        while piece := os.read(terminal, 65536):
            sent += piece
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), sent.decode()
