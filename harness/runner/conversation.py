"""A conversation with a graph: invoked with a case's inputs turn by turn, and resumed while it stops for a human."""

import copy
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from harness.dataset import Case
from harness.errors import GraphError
from harness.observe import Observer
from harness.plain import plain
from harness.runner.ended import Ended
from harness.runner.player import Player
from harness.trace import Interrupt


def converse(player: Player, case: Case, config: RunnableConfig, ended: Ended, *, observer: Observer) -> None:
    """Invoke the graph turn by turn, and resume it as the case says while it stops for a human; `ended` is filled as it goes."""
    need_memory(player, case)
    payload: Any = copy.deepcopy(case.inputs)
    ended.answers, ended.turns = list(copy.deepcopy(case.resume)), list(copy.deepcopy(case.turns))
    while True:
        result = player.invoke(payload, config)
        dynamic = _in_task_order(list(result.pop("__interrupt__", ())), player, config) if isinstance(result, dict) else []
        ended.state = result
        waiting = [Interrupt(payload=plain(interrupt.value)) for interrupt in dynamic] or _static_interrupts(player, config)
        ended.interrupts += tuple(waiting)
        if waiting and not ended.answers:
            ended.ends = "interrupt"
            return
        if waiting:
            payload = _resumed(dynamic, ended.answers)
        elif ended.turns:
            payload, observer.turn = ended.turns.pop(0), observer.turn + 1
        else:
            return


def need_memory(built: Any, case: Case) -> None:
    """Refuse a case of several turns for a graph that forgets each of them."""
    if case.turns and not built.checkpointer:
        message = (
            f"case {case.id!r} has `turns`, but the graph has no checkpointer to remember them by; let the factory take `checkpointer`"
        )
        raise GraphError(message)


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
