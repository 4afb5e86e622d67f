"""Where checkpoints are kept while trials are cut off and resumed: memory, a SQLite file, a schema of a PostgreSQL database."""

import importlib.util
import os
import secrets
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from harness.dataset import Backend
from harness.errors import ConfigError, UsageError

Reopen = Callable[[], Any]
"""Returns a checkpointer on what is stored: a new one, but for that of the memory."""

_PACKAGES = {"sqlite": "langgraph.checkpoint.sqlite", "postgres": "langgraph.checkpoint.postgres"}


def check(backend: Backend, *, postgres_env: str, where: str) -> None:
    """Refuse a checkpointer that cannot be had; `where` is the place that asks for it."""
    package = _PACKAGES.get(backend)
    if package and not _is_installed(package):
        message = f"{where}: {backend!r} needs the package {package.replace('.', '-')}, which is not installed"
        raise ConfigError(message)
    if backend == "postgres" and not os.environ.get(postgres_env):
        message = f"{where}: 'postgres' needs a connection string in the variable {postgres_env}, which is not set"
        raise ConfigError(message)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def kept_in(backend: Backend, *, postgres_env: str) -> Iterator[Reopen]:
    """Keep checkpoints until the block ends; nothing is left behind."""
    match backend:
        case "memory":
            yield _memory()
        case "sqlite":
            with tempfile.TemporaryDirectory(prefix="harness-") as folder, ExitStack() as stack:
                yield _sqlite(Path(folder) / "checkpoints.db", stack)
        case "postgres":
            with _schema(os.environ[postgres_env], postgres_env) as connection:
                yield _postgres(connection)


def _memory() -> Reopen:
    from langgraph.checkpoint.memory import InMemorySaver  # noqa: PLC0415, what is not asked for is not imported

    saver = InMemorySaver()
    return lambda: saver


def _sqlite(path: Path, stack: ExitStack) -> Reopen:
    from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415, as above

    kind = _in_both_forms(SqliteSaver)

    def reopen() -> Any:
        stack.close()
        connection = sqlite3.connect(path, check_same_thread=False)
        stack.callback(connection.close)
        return kind(connection)

    return reopen


def _postgres(connection: Any) -> Reopen:
    from langgraph.checkpoint.postgres import PostgresSaver  # noqa: PLC0415, as above

    kind = _in_both_forms(PostgresSaver)
    kind(connection).setup()
    return lambda: kind(connection)


@contextmanager
def _schema(address: str, postgres_env: str) -> Iterator[Any]:
    """Make a schema of our own, so that no table of the database is touched, and drop it in the end; yields a connection that uses it.

    There is one connection for all trials.
    """
    import psycopg  # noqa: PLC0415, as above
    from psycopg.rows import dict_row  # noqa: PLC0415, as above
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415, as above

    name = Identifier(f"harness_{secrets.token_hex(8)}")
    try:
        connection = psycopg.connect(address, autocommit=True, prepare_threshold=0, row_factory=dict_row)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        message = f"the database of {postgres_env} cannot be reached: {reason}"
        raise UsageError(message) from None
    with connection:
        connection.execute(SQL("CREATE SCHEMA {}").format(name))
        try:
            connection.execute(SQL("SET search_path TO {}").format(name))
            yield connection
        finally:
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(name))


def _in_both_forms(kind: Any) -> Any:
    """Return the kind of checkpointer with asynchronous forms that do what the synchronous ones do."""
    return type(kind.__name__, (_Awaitable, kind), {})


class _Awaitable:
    """The asynchronous forms of a checkpointer: a trial waits for its storage anyway."""

    async def aget_tuple(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_tuple(*args, **kwargs)  # type: ignore[attr-defined]  # of the checkpointer that this is mixed into

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for found in self.list(*args, **kwargs):  # type: ignore[attr-defined]  # as above
            yield found

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        return self.put(*args, **kwargs)  # type: ignore[attr-defined]  # as above

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        self.put_writes(*args, **kwargs)  # type: ignore[attr-defined]  # as above
