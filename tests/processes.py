"""The command line in a process of its own: a fresh one, as a user's, or one forked from a parent that has done the imports.

Nearly all of a short command is imports, which are the same every time. So each test process has one parent, which does them once, runs
nothing, and forks for every command. That makes a real process, with its own folder, environment, arguments, pipes, exit code and memory,
into which no file of the user's was ever imported. What it shares with others of its parent is the hash seed and when libraries were
imported: a test that is about those, about start-up or about signals asks for a fresh one.
"""

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

IMPORTED = (
    *("harness.cli.evidence", "harness.cli.replay", "harness.report.document", "harness.report.frame", "harness.report.html"),
    *("harness.report.junit", "harness.report.markdown", "harness.report.table", "harness.report.terminal", "harness.runner.run"),
    *("langgraph.graph", "langgraph.checkpoint.memory", "langgraph.prebuilt", "langchain_openai"),
    *("httpcore2", "numpy", "openai.resources.chat.completions", "vcr.patch", "vcr.stubs.aiohttp_stubs", "vcr.stubs.httpx_stubs"),
)
"""What the parent imports, as every replay of an agent with a model does."""
READ_WHEN_USED = frozenset({"CI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OLDPWD", "PWD", "PYTEST_CURRENT_TEST", "PYTHONDONTWRITEBYTECODE"})
"""The variables that no import reads, or that are seen to after the fork: those of a forked process may differ from its parent's."""


def _read_by_imports(environment):
    return {name: value for name, value in environment.items() if name not in READ_WHEN_USED}


ENVIRONMENT = {name: value for name, value in _read_by_imports(os.environ).items() if not name.startswith(("LANGSMITH", "LANGCHAIN"))}
"""The parent's environment: that of the tests before any of them changed it."""


def fresh(root, *arguments, environment=None):
    """Run the command in a process that starts from nothing."""
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def forked(root, *arguments, environment=None):
    """Run the command in a process that has its imports behind it; in a fresh one where its environment may have to do with imports."""
    environment = dict(os.environ if environment is None else environment)
    if _read_by_imports(environment) != ENVIRONMENT:
        return fresh(root, *arguments, environment=environment)
    return parent().run(root, arguments, environment)


@cache
def parent():
    """Return the parent of this test process, which ends with it."""
    started = Parent()
    atexit.register(started.end)
    return started


class Parent:
    """The process that has done the imports, as seen from the test process."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair()
        command = [sys.executable, __file__, str(theirs.fileno())]
        with theirs, tempfile.TemporaryDirectory() as empty:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, cwd=empty, env=ENVIRONMENT, pass_fds=[theirs.fileno()], **streams)
            self._answers = self._requests.makefile("r")
            assert self._answers.readline() == "ready\n"

    @property
    def pid(self):
        """Return its number."""
        return self._process.pid

    def run(self, root, arguments, environment):
        """Have a command run, and return what `subprocess.run` would."""
        request = {"root": str(Path(root).resolve()), "arguments": arguments, "environment": environment}
        with self._lock, ThreadPoolExecutor(2) as readers:
            texts = [readers.submit(_text, end) for end in self._sent(request)]
            code = int(self._answers.readline())
            out, err = [text.result() for text in texts]
        return subprocess.CompletedProcess(arguments, code, out, err)

    def _sent(self, request):
        """Send a request with the ends to write to, and return those to read from."""
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        with os.fdopen(to_out, "wb"), os.fdopen(to_err, "wb"):
            socket.send_fds(self._requests, [b"\n"], [to_out, to_err])
            self._requests.sendall(json.dumps(request).encode() + b"\n")
        return out, err

    def end(self):
        """Let the process end."""
        self._answers.close()
        self._requests.close()
        self._process.wait()


def _text(end):
    with os.fdopen(end) as stream:
        return stream.read()


def _serve(connection):
    """Fork for every request, and answer how the process ended; return in each process that has been forked, with what it is to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when the tests do
    connection.sendall(b"ready\n")
    lines = connection.makefile("rb")
    while files := socket.recv_fds(connection, 1, 2)[1]:
        request = json.loads(lines.readline())
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            lines.close()
            return request, files
        for file in files:
            os.close(file)
        _, status = os.waitpid(pid, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    sys.exit()


def _become(request, files):
    """Be the process that a request is about, until it ends."""
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["root"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # which, unlike `random`, does not do so itself after a fork
    sys.argv[1:] = request["arguments"]
    sys.path.insert(0, request["root"])
    try:
        runpy.run_module("harness.cli", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        _end(ended.code)


def _end(code):
    """End as the interpreter does, but for taking its memory apart, which would first copy all of the parent's."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    """Do the imports, then be a parent, or in the end one of its children."""
    del sys.path[0]  # where this file is
    for name in IMPORTED:
        importlib.import_module(name)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        request, files = _serve(connection)
    _become(request, files)


if __name__ == "__main__":
    main()
