"""What LangSmith has: questions that change nothing, and their answers."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from harness.mirror import Call
from harness.sinks.runs import COUNTED, WHOLE, Asked, runs_of
from harness.sinks.sender import Sender, Stopped

_PAGE = 100
RUNS_AT_ONCE = 20
"""Of how many runs the feedback is asked for in one question."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """Asks a sender's remote."""

    sender: Sender

    def info(self) -> dict[str, Any]:
        """Return what the server says it can do."""
        found = self._get("/info")
        return found if isinstance(found, dict) else {}

    def dataset(self, name: str) -> dict[str, Any] | None:
        """Return the dataset of this name."""
        found = self._get(f"/datasets?{urlencode({'name': name, 'limit': 1})}")
        return self._list(found, "datasets")[0] if found else None

    def examples(self, dataset: str, *, as_of: str = "", splits: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Return the examples of a dataset by id: those of a time, and of some splits, if they are named."""
        chosen = {"as_of": as_of} if as_of else {}
        return {one["id"]: one for one in self._pages("/examples", {"dataset": dataset, **chosen, "splits": list(splits)})}

    def session(self, identifier: str) -> dict[str, Any] | None:
        """Return an experiment."""
        found = self._get(f"/sessions/{identifier}")
        return found if isinstance(found, dict) else None

    def comparison(self, dataset: str, identifier: str) -> dict[str, Any] | None:
        """Return a comparison of experiments over a dataset."""
        found = self._get(f"/datasets/{dataset}/comparative?{urlencode({'id': identifier, 'limit': 1})}")
        return self._list(found, "comparisons")[0] if found else None

    def has_feedback(self, identifier: str) -> bool:
        """Tell whether a piece of feedback is there."""
        return isinstance(self._get(f"/feedback/{identifier}"), dict)

    def feedback_of(self, runs: Sequence[str], *, comparison: str = "") -> frozenset[str]:
        """Return the keys of the calls that bring the feedback which is on these runs, or on them in a comparison."""
        chosen = {"comparative_experiment_id": comparison} if comparison else {}
        return frozenset(f"feedback {one['id']}" for one in self._pages("/feedback", {"run": runs, **chosen}))

    def has_tag(self, dataset: str, tag: str) -> bool:
        """Tell whether a version of a dataset has this tag."""
        return self.tagged(dataset, tag) is not None

    def tagged(self, dataset: str, tag: str) -> str | None:
        """Return the time of the version of a dataset that has this tag."""
        found = self._get(f"/datasets/{dataset}/version?tag={quote(tag, safe='')}")
        return str(found["as_of"]) if isinstance(found, dict) and found.get("as_of") else None

    def runs(self, session: str, *, until: str) -> Counter[str]:
        """Return how many runs each trace of an experiment has, which all began before `until`."""
        return Counter(one["trace_id"] for one in runs_of(self.sender, Asked(COUNTED, session=session, until=until)))

    def runs_of(self, trace: str, session: str) -> frozenset[str]:
        """Return the ids of the runs that a trace of an experiment has."""
        return frozenset(one["id"] for one in runs_of(self.sender, Asked(COUNTED, session=session, trace=trace)))

    def trace(self, run: str, *, project: str = "") -> list[dict[str, Any]]:
        """Return all runs of a trace by the id of its root; Stopped where there is none, or where it is that of a run inside of another."""
        if self.sender.has_newer_runs_only and not project:
            message = f"{self.sender.remote.address}: it finds runs by their project; give the address of run {run}, .../projects/p/…/r/…"
            raise Stopped(message)
        found = list(runs_of(self.sender, Asked(WHOLE, session=project, trace=run)))
        if found:
            return found
        inner = next(runs_of(self.sender, Asked(COUNTED, session=project, run=run)), None)
        where = f"; it is inside of the trace {inner['trace_id']}, import that" if inner else ", or the key may not see it"
        message = f"{self.sender.remote.address}: there is no trace {run}{where}"
        raise Stopped(message)

    def url(self, dataset: dict[str, Any], session: str) -> str:
        """Return where a browser shows an experiment; "" where the server does not say of which workspace a dataset is."""
        tenant = dataset.get("tenant_id")
        host = _host_of(self.sender.remote.address)
        return f"{host}/o/{tenant}/datasets/{dataset['id']}/compare?selectedSessions={session}" if tenant else ""

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what a route lists, page by page; a server that knows no pages, and gives the same again, is asked no further."""
        seen: set[str] = set()
        for offset in itertools.count(0, _PAGE):
            asked = urlencode({**query, "limit": _PAGE, "offset": offset}, doseq=True)
            page = self._list(self._get(f"{path}?{asked}") or [], path)
            new = [one for one in page if one.get("id") not in seen]
            yield from new
            if len(page) != _PAGE or not new:
                return
            seen.update(one["id"] for one in new if "id" in one)

    def _list(self, found: Any, what: str) -> list[dict[str, Any]]:
        if isinstance(found, list) and all(isinstance(one, dict) for one in found):
            return found
        message = f"{self.sender.remote.address}: {what} did not answer with a list"
        raise Stopped(message)

    def _get(self, path: str) -> Any:
        return self.sender.document(Call(f"GET {path}", "GET", path))


def _host_of(address: str) -> str:
    """Return where the pages of an API's address are."""
    host = address.removesuffix("/v1").removesuffix("/api")
    return host.replace("://api.", "://", 1) if "smith.langchain.com" in host else host
