"""The limits of what a report shows of a passing trial, and what is said in the place of the rest."""

from typing import Any

TEXT_LIMIT = 2_000
LISTED = 100


def cut(value: Any) -> Any:
    """Return JSON with its long texts and lists cut, and how much was cut."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}… [{len(value) - TEXT_LIMIT:,} more characters]"
    if isinstance(value, list):
        more = [f"… [{len(value) - LISTED:,} more]"] if len(value) > LISTED else []
        return [*map(cut, value[:LISTED]), *more]
    return {key: cut(inner) for key, inner in value.items()} if isinstance(value, dict) else value
