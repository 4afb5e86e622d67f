"""What an agent in another process does not show: checks that look at it are unscored, with the reason."""

from collections.abc import Mapping

from harness.dataset import Case
from harness.trace import Trace, Unseen

REASONS: Mapping[Unseen, str] = {
    "steps": "the visits of nodes cannot be seen: the service has no /start and /stream that tell them",
    "tools": "the tools that an agent behind a URL executes cannot be seen",
    "states": "the states that an agent behind a URL goes through cannot be seen",
    "calls": "the model calls of an agent that ran elsewhere cannot be seen",
    "places": "which node of an agent behind a URL asked a model cannot be seen",
}
_NEEDED: Mapping[str, Unseen] = {"route": "steps", "path": "steps", "tools": "tools"}
_BOUNDS: Mapping[str, Unseen] = {
    "steps": "steps",
    "visits": "steps",
    "no_progress": "steps",
    "tool_calls": "tools",
    "repeated_calls": "tools",
    "repeated_states": "states",
}


def why_unscored(check: str, case: Case, trace: Trace) -> str:
    """Say why a built-in check cannot measure this trial; nothing where it can."""
    needed = _NEEDED.get(check)
    if check == "fallback" and case.expected.fallback and case.expected.fallback.node:
        needed = "places"
    return REASONS[needed] if needed in trace.unseen else ""


def unseen_bounds(trace: Trace, names: tuple[str, ...]) -> list[str]:
    """Name those of the limits that are set which the trace cannot show."""
    blind = [(name, _BOUNDS.get(name)) for name in names]
    return [f"limits.{name} cannot be checked: {REASONS[part]}" for name, part in blind if part is not None and part in trace.unseen]
