"""A desk without a model, whose variants route some tickets otherwise: the subject of comparisons."""

import json

AGENT = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

KINDS = ("billing", "technical", "general")


class State(TypedDict, total=False):
    ticket: str
    kind: str
    note: object


def build(wrong="", crash="", note=None, right=""):
    def classify(state):
        ticket = state["ticket"]
        number = int(ticket)
        if ticket in crash.split():
            raise RuntimeError("no such ticket")
        known = KINDS[number % 3]
        slipped = ticket in wrong.split() or (number % 10 == 0 and ticket not in right.split())
        return {"kind": KINDS[(number + 1) % 3] if slipped else known, "note": note}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    for kind in KINDS:
        graph.add_node(kind, lambda state: {})
        graph.add_edge(kind, END)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", lambda state: state["kind"], list(KINDS))
    return graph.compile()
"""
CONFIG = """
build = "worker"
routes.classify = "kind"
"""
GATE = """
[suites.agent.gate]
"route.accuracy" = { min = 0.5 }
"""


def case(number, **fields):
    """Return a ticket and the team that it is for."""
    expected = {"route": {"classify": ("billing", "technical", "general")[number % 3]}}
    return {"id": f"c{number:02d}", "inputs": {"ticket": str(number)}, "expected": expected, **fields}


def variant(name, **parameters):
    """Return the table of a variant."""
    values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in parameters.items())
    return f"[suites.agent.variants.{name}]\nparameters = {{ {values} }}\n"


def desk(world, *variants, cases=40, gate=GATE, extra=""):
    """Write a desk of so many tickets, every tenth of which goes wrong in each variant that does not say otherwise."""
    world.write("agent.py", AGENT)
    world.suite(CONFIG + extra, tables=gate + "".join(variants))
    world.cases(*map(case, range(1, cases + 1)))
