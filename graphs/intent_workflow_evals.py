"""An evaluator of the workflow by intent: a plain function over the trace."""

from typing import Any


def taken_as_chosen(outputs: dict[str, Any], trace: Any) -> dict[str, Any]:
    """Whether the agent that ran is the one for the intent that was chosen, whatever the right one would have been."""
    agents = [node for node in trace.nodes if node != "classify"]
    return {"score": agents == [f"{outputs['intent']}_agent"], "comment": f"{outputs['intent']} was chosen, {agents} ran"}
