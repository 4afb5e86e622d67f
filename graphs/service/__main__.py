"""`python -m graphs.service GRAPH`: one of the graphs as a service. Keys and base URLs come from the environment alone."""

import argparse
import contextlib
import functools
import importlib
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from graphs.service.app import create_app
from graphs.service.json_logs import log_as_json

_STREAMS_S = 5
"""How much longer than the runs themselves their streams may take to end."""


@contextlib.asynccontextmanager
async def checkpointer(kept_in: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """The checkpointer that a parameter names: `memory`, or the path of an SQLite file."""
    if kept_in == "memory":
        yield InMemorySaver()
        return
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415  # not everyone keeps threads in a file

    async with AsyncSqliteSaver.from_conn_string(kept_in) as saver:
        yield saver


def parameter(text: str) -> tuple[str, Any]:
    """A parameter of the graph's factory, NAME=JSON."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def factory(name: str) -> Any:
    """The factory of a graph: `module:attribute`, or `build` of a module of this package."""
    module, _, attribute = name.rpartition(":")
    return getattr(importlib.import_module(module or f"graphs.{attribute}"), attribute if module else "build")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m graphs.service", description="Serve one of the graphs.")
    parser.add_argument("graph", help="a module of this package, such as support_triage, or MODULE:FACTORY")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--checkpointer", default="memory", metavar="memory|FILE", help="where threads are kept")
    parser.add_argument("--parameter", type=parameter, action="append", default=[], metavar="NAME=JSON", help="of the graph's factory")
    parser.add_argument("--grace-s", type=float, default=20.0, help="how long runs may take to end at SIGTERM")
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or SIGINT, let runs come to their end, and exit 0."""
    chosen = arguments()
    log_as_json()
    app = create_app(
        functools.partial(factory(chosen.graph), **dict(chosen.parameter)), checkpointer(chosen.checkpointer), grace_s=chosen.grace_s
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)  # uvicorn raises what it caught once more at its end
    uvicorn.run(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(chosen.grace_s) + _STREAMS_S,
    )


if __name__ == "__main__":
    main()
