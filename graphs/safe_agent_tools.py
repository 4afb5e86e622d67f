"""The tools of the safe agent: small, without side effects, and strict about their arguments."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from langchain_core.tools import BaseTool, ToolException, tool
from pydantic import Field

LONGEST_EXPRESSION = 100
OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # overflows where whole numbers would be worked out for ever
    ast.USub: operator.neg,
}
METRES: Mapping[str, float] = {"m": 1.0, "km": 1000.0, "mile": 1609.344, "foot": 0.3048, "inch": 0.0254}
GRAMS: Mapping[str, float] = {"g": 1.0, "kg": 1000.0, "pound": 453.59237, "ounce": 28.349523125}
COUNTRIES: Mapping[str, Mapping[str, str]] = {
    "france": {"capital": "Paris", "population": "68 million", "currency": "euro"},
    "japan": {"capital": "Tokyo", "population": "124 million", "currency": "yen"},
    "kenya": {"capital": "Nairobi", "population": "55 million", "currency": "Kenyan shilling"},
    "brazil": {"capital": "Brasilia", "population": "203 million", "currency": "real"},
    "canada": {"capital": "Ottawa", "population": "40 million", "currency": "Canadian dollar"},
}

Unit = Literal["m", "km", "mile", "foot", "inch", "g", "kg", "pound", "ounce"]
Fact = Literal["capital", "population", "currency"]


@tool
def calculate(expression: Annotated[str, Field(max_length=LONGEST_EXPRESSION)]) -> str:
    """Work out a sum, for example 12 * 7 + 3."""
    try:
        return plain(value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, ValueError, ArithmeticError) as error:
        message = f"{expression!r} cannot be worked out; only numbers and + - * / ** are allowed"
        raise ToolException(message) from error


@tool
def convert(amount: float, unit: Unit, to: Unit) -> str:
    """Convert a length or a weight into another unit."""
    for scale in (METRES, GRAMS):
        if unit in scale and to in scale:
            return f"{plain(amount * scale[unit] / scale[to])} {to}"
    message = f"{unit} and {to} do not measure the same"
    raise ToolException(message)


@tool
def look_up(country: str, fact: Fact) -> str:
    """Look up the capital, the population or the currency of a country."""
    facts = COUNTRIES.get(country.strip().lower())
    if facts is None:
        message = f"nothing is known of {country!r}; known are {', '.join(name.title() for name in COUNTRIES)}"
        raise ToolException(message)
    return facts[fact]


TOOLS: tuple[BaseTool, ...] = (calculate, convert, look_up)


def value(node: ast.expr) -> float:
    """The value of an expression of numbers and + - * / **; ValueError for anything else."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value(left), value(right))
    raise ValueError(ast.dump(node))


def plain(number: float) -> str:
    """A number without needless digits."""
    return f"{number:.10g}"
