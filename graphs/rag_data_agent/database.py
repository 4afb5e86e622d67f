"""The shop's database: a fixed set of queries with named arguments; no text of a model ever becomes SQL.

The queries are the first line of defence. Behind them the connection is read-only, and sees the tables of the queries alone.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("shop.sql")
MAX_TEXT = 60  # characters of an argument
MAX_ROWS = 60
READABLE = frozenset({"customers", "products", "orders"})
FUNCTIONS = frozenset({"instr", "lower", "count", "sum", "coalesce"})
STATUSES = ("placed", "packed", "shipped", "delivered", "returned")
_ORDER_LINES = """SELECT orders.id, customers.name, orders.quantity, products.name, orders.status, orders.placed_on
    FROM orders JOIN customers ON customers.id = customer_id JOIN products ON products.id = product_id"""


class QueryRefusedError(ValueError):
    """A query that does not exist, or arguments that it does not take."""


@dataclass(frozen=True)
class Query:
    """One statement, and the type of each of its arguments; a tuple lists the texts that are allowed."""

    sql: str
    arguments: Mapping[str, type[int] | type[str] | tuple[str, ...]]


QUERIES: Mapping[str, Query] = {
    "order_status": Query(f"{_ORDER_LINES} WHERE orders.id = :order ORDER BY orders.id", {"order": int}),
    "orders_of_customer": Query(f"{_ORDER_LINES} WHERE lower(customers.name) = lower(:customer) ORDER BY orders.id", {"customer": str}),
    "orders_in_city": Query(
        f"{_ORDER_LINES} WHERE lower(city) = lower(:city) AND orders.status = :status ORDER BY orders.id",
        {"city": str, "status": STATUSES},
    ),
    "stock_of_product": Query(
        "SELECT name, stock FROM products WHERE instr(lower(name), lower(:product)) > 0 ORDER BY id", {"product": str}
    ),
    "price_of_product": Query(
        "SELECT name, price FROM products WHERE instr(lower(name), lower(:product)) > 0 ORDER BY id", {"product": str}
    ),
}


def checked(name: str, arguments: Mapping[str, Any]) -> dict[str, int | str]:
    """The arguments as the query takes them; refused if there is one more, one less, or one of another kind."""
    if name not in QUERIES:
        message = f"there is no query {name!r:.80}"
        raise QueryRefusedError(message)
    wanted = QUERIES[name].arguments
    if set(arguments) != set(wanted):
        message = f"{name} takes {', '.join(wanted)}"
        raise QueryRefusedError(message)
    return {key: _value(key, arguments[key], kind) for key, kind in wanted.items()}


def _value(key: str, value: Any, kind: type[int] | type[str] | tuple[str, ...]) -> int | str:
    if kind is int:
        if not isinstance(value, bool) and str(value).isascii() and str(value).isdigit() and len(str(value)) < 10:  # noqa: PLR2004, digits
            return int(value)
        message = f"{key} has to be a number"
        raise QueryRefusedError(message)
    if not isinstance(value, str) or len(value) > MAX_TEXT or (isinstance(kind, tuple) and value not in kind):
        allowed = f"one of {', '.join(kind)}" if isinstance(kind, tuple) else f"a text of {MAX_TEXT} characters at most"
        message = f"{key} has to be {allowed}"
        raise QueryRefusedError(message)
    return value


def _may(action: int, one: str | None, other: str | None, _database: str | None, _trigger: str | None) -> int:
    """SQLite's authorizer: selecting from the readable tables with a few functions, and nothing else."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and one in READABLE)
        or (action == sqlite3.SQLITE_FUNCTION and other in FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def connect() -> sqlite3.Connection:
    """A read-only connection to a fresh database in memory; tools may use it from any thread."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript(FILE.read_text(encoding="utf-8"))
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_may)
    return connection


def run(connection: sqlite3.Connection, name: str, arguments: Mapping[str, Any]) -> str:
    """The rows that a query finds, one a line."""
    values = checked(name, arguments)
    rows = connection.execute(QUERIES[name].sql, values).fetchmany(MAX_ROWS)
    return "\n".join(" | ".join(str(value) for value in row) for row in rows) or "no rows"
