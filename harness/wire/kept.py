"""A service that the harness starts, waits for and ends."""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import GraphError

_READY_S = 180.0
_LOOK_AGAIN_S = 0.1
_SAID = 300
_KEEPER = Path(__file__).with_name("keeper.py")


class Kept:
    """A command that runs until it is told to end. `where` is the config's place, for errors."""

    def __init__(self, command: str, *, folder: Path, environment: Mapping[str, str], where: str) -> None:
        self._command, self._where = command, where
        keeper = [sys.executable, "-I", "-S", str(_KEEPER), *_words(command, where)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603, the config's own command
            keeper, cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until it is ready; GraphError if it ends before that, or takes too long."""
        deadline = time.monotonic() + _READY_S
        while not is_ready() or self._process.poll() is not None:
            if self._process.poll() is not None:
                self._fail(f"ended with exit code {self._process.returncode} before it was ready")
            if time.monotonic() > deadline:
                self._fail(f"was not ready within {_READY_S:.0f} s: GET /ready has to answer 200")
            time.sleep(_LOOK_AGAIN_S)

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def _fail(self, how: str) -> None:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        self.end()
        said = f"; the last it said: {last[:_SAID]}" if last else ""
        message = f"{self._where}: `{self._command}` {how}{said}"
        raise GraphError(message)


def _words(command: str, where: str) -> list[str]:
    """Return the words of a command; `python` is the one that runs the harness."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        message = f"{where}: {command!r} cannot be read as a command: {error}"
        raise GraphError(message) from None
    if not words:
        message = f"{where}: the command is empty"
        raise GraphError(message)
    return [sys.executable if words[0] in {"python", "python3"} else words[0], *words[1:]]
