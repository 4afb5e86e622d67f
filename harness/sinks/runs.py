"""Runs as LangSmith is asked for them: by `/runs/query`, or by the newer route where that is gone, in the form of the first."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from harness.mirror import Call
from harness.sinks.sender import Sender

_OLDER, _NEWER = "/runs/query", "/api/v2/runs/query"
_PAGE = 100
_ALWAYS = "2020-01-01T00:00:00.000000+00:00"  # without a time, the newer route answers with the last day
_RENAMED = {"session_id": "PROJECT_ID", "parent_run_id": "PARENT_RUN_IDS", "serialized": "MANIFEST"}

COUNTED = ("id", "trace_id")
WHOLE = (
    "id",
    "name",
    "run_type",
    "start_time",
    "end_time",
    "inputs",
    "outputs",
    "error",
    "extra",
    "events",
    "serialized",
    "parent_run_id",
    "trace_id",
    "dotted_order",
    "session_id",
    "first_token_time",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What runs are wanted: those of an experiment or project, of a trace, or one; `fields` of each; `until` a time, without it now."""

    fields: tuple[str, ...]
    session: str = ""
    trace: str = ""
    run: str = ""
    until: str = ""

    @property
    def older(self) -> dict[str, Any]:
        """Return the question of the older route."""
        wanted = {"session": [self.session] if self.session else None, "trace": self.trace, "id": [self.run] if self.run else None}
        return {"select": list(self.fields), "limit": _PAGE, **{name: value for name, value in wanted.items() if value}}

    @property
    def newer(self) -> dict[str, Any]:
        """Return the question of the newer route, which has to be told the project."""
        selects = [_RENAMED.get(name, name.upper()) for name in self.fields]
        wanted = {"trace_id": self.trace, "ids": [self.run] if self.run else None, "max_start_time": self.until}
        chosen = {name: value for name, value in wanted.items() if value}
        return {"project_ids": [self.session], "selects": selects, "page_size": _PAGE, "min_start_time": _ALWAYS, **chosen}


def runs_of(sender: Sender, asked: Asked) -> Iterator[dict[str, Any]]:
    """Yield the runs that are wanted, each once, by the newer route where the server has it alone, or does not know the older one."""
    seen: set[str] = set()
    for run in _found(sender, asked):  # what comes in while they are asked for may move runs to the next page
        if run.get("id") not in seen:
            yield run
            seen.add(str(run.get("id")))


def _found(sender: Sender, asked: Asked) -> Iterator[dict[str, Any]]:
    reply = None if sender.has_newer_runs_only else sender.ask(Call("runs", "POST", _OLDER, asked.older))
    if reply is not None and not reply.is_absent:
        for page in _pages(sender, _OLDER, asked.older, reply.document or {}):
            yield from page.get("runs", ())
    elif asked.session:
        first = sender.document(Call("runs", "POST", _NEWER, asked.newer)) or {}
        for page in _pages(sender, _NEWER, asked.newer, first):
            yield from map(_as_older, page.get("items") or ())


def _pages(sender: Sender, path: str, question: dict[str, Any], page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a page and those after it; one that leads to itself is the last."""
    cursor = None
    while True:
        yield page
        following = page.get("next_cursor") or (page.get("cursors") or {}).get("next")
        if not following or following == cursor:
            return
        cursor = following
        page = sender.document(Call("runs", "POST", path, question | {"cursor": cursor})) or {}


def _as_older(run: dict[str, Any]) -> dict[str, Any]:
    around = run.get("parent_run_ids") or [None]
    found = {**run, "session_id": run.get("project_id"), "parent_run_id": around[-1], "serialized": run.get("manifest")}
    return found | ({"run_type": run["run_type"].lower()} if isinstance(run.get("run_type"), str) else {})
