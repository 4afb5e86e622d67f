"""A conversation with a graph: invoked with a case's inputs, and resumed while it stops for a human."""

import copy
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from harness.dataset import Case
from harness.observe import plain
from harness.runner.ended import Ended
from harness.runner.player import Player
from harness.trace import Interrupt


def converse(graph: Player, case: Case, config: RunnableConfig, ended: Ended, invoke: Any) -> None:
    """Invoke the graph, and resume it as the case says while it stops for a human; `ended` is filled as it goes."""
    payload: Any = copy.deepcopy(case.inputs)
    ended.answers = list(copy.deepcopy(case.resume))
    while True:
        result = invoke(payload, config)
        dynamic = _in_task_order(list(result.pop("__interrupt__", ())), graph, config) if isinstance(result, dict) else []
        ended.state = result
        waiting = [Interrupt(payload=plain(interrupt.value)) for interrupt in dynamic] or _static_interrupts(graph, config)
        ended.interrupts += tuple(waiting)
        if not waiting:
            return
        if not ended.answers:
            ended.ends = "interrupt"
            return
        payload = _resumed(dynamic, ended.answers)


def _resumed(dynamic: list[Any], answers: list[Any]) -> Any:
    """Take the answers to what waits off the list: one for a static interrupt, one for each dynamic one that has an answer left.

    Each is given by the interrupt's id: LangGraph takes a bare null or an empty object for no answer at all.
    """
    if not dynamic:
        answers.pop(0)
        return None
    return Command(resume={interrupt.id: answers.pop(0) for interrupt in dynamic if answers})


def _in_task_order(interrupts: list[Any], graph: Any, config: RunnableConfig) -> list[Any]:
    """Return interrupts of parallel branches in the order of the branches: they arrive as they finish."""
    if len(interrupts) < 2 or not graph.checkpointer:  # noqa: PLR2004, one is in order
        return interrupts
    order = [interrupt.id for task in graph.get_state(config).tasks for interrupt in task.interrupts]
    return sorted(interrupts, key=lambda interrupt: order.index(interrupt.id) if interrupt.id in order else len(order))


def _static_interrupts(graph: Any, config: RunnableConfig) -> list[Interrupt]:
    """Return the nodes that wait, of the graph or of a subgraph of it, though nothing called interrupt()."""
    if not graph.checkpointer:
        return []
    return [Interrupt(node=node) for node in graph.get_state(config).next]
