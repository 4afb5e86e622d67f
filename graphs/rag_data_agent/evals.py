"""What is checked of every conversation, beyond what its case expects."""

from typing import Any

from graphs.rag_data_agent import context, graph

CHEAP_NODES = frozenset({"guardrail", "route_question"})


def budget(trace: Any) -> dict[str, Any]:
    """No model call had more input tokens than the budget, by the provider's own count."""
    used = [call.usage.input_tokens or 0 for call in trace.calls if call.usage]
    return {"score": max(used, default=0) <= context.TOKEN_BUDGET, "comment": f"{max(used, default=0)} of {context.TOKEN_BUDGET} tokens"}


def cut_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """No tool output in the conversation is longer than it may be."""
    longest = max((len(message["content"]) for message in outputs["messages"] if message["type"] == "tool"), default=0)
    return {"score": longest <= context.TOOL_CHARS, "comment": f"{longest} of {context.TOOL_CHARS} characters"}


def models(trace: Any) -> dict[str, Any]:
    """The guardrail and the router asked the cheap model, all other nodes the strong one."""
    wrong = sorted(
        f"{call.place.node} asked {call.model}" for call in trace.calls if (call.place.node in CHEAP_NODES) != (call.model == graph.CHEAP)
    )
    return {"score": not wrong, "comment": "; ".join(wrong) or "as meant"}
