"""Evaluators of the study desk, by what they are told: plain functions that any test tool may call."""

from typing import Any

MARGIN = 0.01


def margin(outputs: dict[str, Any]) -> dict[str, Any] | None:
    """How clearly the subject won: passes where the second one is at least 0.01 behind; nothing where there is no subject."""
    if outputs["subject"] == "no_route":
        return None
    behind = outputs["margin"]
    comment = f"{outputs['subject']} is {behind} before the second subject"
    return {"key": "margin", "score": behind, "passed": behind >= MARGIN, "comment": comment}


def routed_without_model(trace: Any) -> bool:
    """Whether the router asked no model: neither for an answer nor for an embedding."""
    return not any(call.place.node == "route" for call in trace.calls)
