"""An edit of a thread's state: values put at places of it, past the reducers, as though the nodes that ran last had written them."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.constants import START
from langgraph.errors import InvalidUpdateError
from langgraph.types import Overwrite, StateUpdate
from pydantic import BaseModel

from harness.errors import UsageError
from harness.history import Assignment
from harness.runner.cut import Edit
from harness.schema import nearest


def edit_of(assignments: Sequence[Assignment]) -> Edit:
    """Return what makes the assignments. The conditional edges of the nodes that ran last decide again, over the edited state."""

    def edit(graph: Any, config: Any, ran: Sequence[str]) -> None:
        thread = {"configurable": config["configurable"]}
        values = _edited(graph, graph.get_state(thread).values, assignments)
        nodes = sorted(set(ran)) or [START]
        supersteps = [[StateUpdate(values, nodes[0])]]
        if len(nodes) > 1:
            supersteps.append([StateUpdate({}, node) for node in nodes])
        try:
            graph.bulk_update_state(thread, supersteps)
        except InvalidUpdateError as error:
            message = f"the state cannot be edited after {', '.join(nodes)}: {error}"
            raise UsageError(message) from None

    return edit


def _edited(graph: Any, state: Any, assignments: Sequence[Assignment]) -> dict[str, Any]:
    if not isinstance(state, Mapping):
        message = f"the state is a {type(state).__name__} without keys, so nothing can be set in it"
        raise UsageError(message)
    edited: dict[str, Any] = {}
    for assignment in assignments:
        key, *inner = assignment.path
        if key not in graph.stream_channels_list:
            message = f"--set {assignment}: the state has no {key!r}{nearest(key, graph.stream_channels_list)}"
            raise UsageError(message)
        before = edited.get(key, state.get(key))
        edited[key] = _put(before, inner, assignment.value, str(assignment)) if inner else assignment.value
    return {key: _written(graph.channels[key], value, is_set=key in state) for key, value in edited.items()}


def _written(channel: Any, value: Any, *, is_set: bool) -> Any:
    """Return the update that leaves this value in a channel: one with a reducer would add it to what is there."""
    if not isinstance(channel, BinaryOperatorAggregate) or not is_set:
        return value
    empty = type(channel)(channel.typ, channel.operator)
    empty.update([value])  # as its reducer likes it: messages of what is written as JSON
    return Overwrite(empty.get())


def _put(value: Any, path: Sequence[str], new: Any, where: str) -> Any:
    """Return a copy of `value` with `new` at a place inside of it: a key, an index, a field."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, Mapping) and (head in value or not rest):
        return {**value, head: _put(value.get(head), rest, new, where)}
    if isinstance(value, list | tuple) and _is_index(head, len(value)):
        items = list(value)
        items[int(head)] = _put(items[int(head)], rest, new, where)
        return type(value)(items)
    if isinstance(value, BaseModel) and head in type(value).model_fields:
        return value.model_copy(update={head: _put(getattr(value, head), rest, new, where)})
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, head):
        edited = copy.copy(value)
        object.__setattr__(edited, head, _put(getattr(value, head), rest, new, where))
        return edited
    message = f"--set {where}: there is no {head!r} in a {type(value).__name__}"
    raise UsageError(message)


def _is_index(text: str, length: int) -> bool:
    return text.lstrip("-").isdecimal() and -length <= int(text) < length
