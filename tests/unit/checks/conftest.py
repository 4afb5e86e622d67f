"""Small traces for the checks, built by name."""

import pytest

from harness.checks import CheckContext
from harness.dataset import Case, Expected, Limits
from harness.trace import NodeStep, Place, Trace, Usage, WireCall


def _steps(*names, updates=None, **fields):
    """Return one visit a superstep; `sub/inner` is a subgraph's node, `a|b` are parallel branches."""
    steps = []
    for number, together in enumerate(names, start=1):
        for branch, name in enumerate(together.split("|")):
            *namespace, node = name.split("/")
            place = Place(node=node, step=number, path=f"({branch})", namespace=tuple(namespace))
            steps.append(NodeStep(place=place, update=(updates or {}).get(name), **fields))
    return tuple(steps)


def _call(model="gpt-4o", *, node="answer", status=200, tokens=(10, 5), cost_usd=0.001, **fields):
    usage = None if tokens is None or status is None or status >= 400 else Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    return WireCall(
        place=Place(node=node, step=1, visit=1),
        kind=fields.pop("kind", "chat"),
        source="replay",
        url="https://api.openai.com/v1/chat/completions",
        model=model,
        status=status,
        usage=usage,
        cost_usd=cost_usd if usage else None,
        **fields,
    )


def _case(inputs=None, **expected):
    return Case(id="c", inputs=inputs or {}, expected=Expected.model_validate_json(Expected(**expected).to_json()))


def _context(routes=None, nodes=(), **limits):
    return CheckContext(routes=routes or {}, nodes=nodes, limits=Limits(**limits))


@pytest.fixture(scope="session")
def steps():
    """Build visits."""
    return _steps


@pytest.fixture(scope="session")
def call():
    """Build a model call."""
    return _call


@pytest.fixture(scope="session")
def case():
    """Build a case from what is expected."""
    return _case


@pytest.fixture(scope="session")
def context():
    """Build a context from limits."""
    return _context


@pytest.fixture(scope="session")
def visited():
    """Build a trace that visited these nodes, one a superstep."""
    return lambda *names, updates=None, **fields: Trace(steps=_steps(*names, updates=updates), **fields)
