"""Evaluators of the study desk, by what they are told: plain functions that any test tool may call."""

from typing import Any

MARGIN = 0.01


def margin(outputs: dict[str, Any]) -> dict[str, Any]:
    """How far a question is from another route: from the second subject and from the threshold; passes from 0.01 on."""
    away = outputs["clearance"] if outputs["subject"] == "no_route" else min(outputs["margin"], outputs["clearance"])
    return {"key": "margin", "score": away, "passed": away >= MARGIN, "comment": f"{away} away from another route"}


def routed_without_model(trace: Any) -> bool:
    """Whether the router asked no model: neither for an answer nor for an embedding."""
    return not any(call.place.node == "route" for call in trace.calls)
