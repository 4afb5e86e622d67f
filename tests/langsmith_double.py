"""A strict LangSmith in memory: it refuses what it has already, what does not hold to the schemas and what refers to nothing.

`Workspace.answer` is one request; faults come from a plan, which says for each request what happens before or after it takes effect.
"""

import datetime as dt
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from email import message_from_bytes
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import langsmith_schemas as schemas
import zstandard
from jsonschema import Draft202012Validator

from harness.mirror import encoded
from harness.sinks.sender import NoAnswer, Reply

TENANT = "7e0d3a1c-6f0e-4d0b-9b8e-2f8d6c3b5a10"


class Fault(NamedTuple):
    """What happens to a request: it is `taken` first or not; then comes this status, or with None the connection is cut.

    Of a form of runs, only the first `runs` are taken where that is a number, and no feedback.
    """

    status: int | None
    taken: bool = False
    retry_after_s: float | None = None
    runs: int | None = None


class Broken(Exception):
    """The connection was cut."""


Plan = Callable[[int], Fault | None]


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status, detail):
        super().__init__(detail)
        self.status = status
        self.detail = detail


MALFORMED = {400, 415, 422}
_ID = "([0-9a-f-]{36})"
ROUTES = (
    ("GET", "/info", "_get_info"),
    ("GET", "/datasets", "_get_datasets"),
    ("POST", "/datasets", "_post_dataset"),
    ("POST", "/datasets/comparative", "_post_comparative"),
    ("GET", f"/datasets/{_ID}/comparative", "_get_comparative"),
    ("GET", f"/datasets/{_ID}", "_get_dataset"),
    ("PATCH", f"/datasets/{_ID}", "_patch_dataset"),
    ("DELETE", f"/datasets/{_ID}", "_delete_dataset"),
    ("GET", f"/datasets/{_ID}/version", "_get_version"),
    ("PUT", f"/datasets/{_ID}/tags", "_put_tag"),
    ("POST", f"/v1/platform/datasets/{_ID}/examples", "_post_examples"),
    ("PATCH", f"/v1/platform/datasets/{_ID}/examples", "_patch_examples"),
    ("GET", "/examples", "_get_examples"),
    ("GET", f"/examples/{_ID}", "_get_example"),
    ("GET", "/sessions", "_get_sessions"),
    ("POST", "/sessions", "_post_session"),
    ("GET", f"/sessions/{_ID}", "_get_session"),
    ("PATCH", f"/sessions/{_ID}", "_patch_session"),
    ("DELETE", f"/sessions/{_ID}", "_delete_session"),
    ("POST", "/runs/multipart", "_post_runs"),
    ("POST", "/runs/query", "_post_query"),
    ("POST", "/api/v2/runs/query", "_post_newer_query"),
    ("GET", f"/runs/{_ID}", "_get_run"),
    ("GET", "/feedback", "_get_all_feedback"),
    ("POST", "/feedback", "_post_feedback"),
    ("GET", f"/feedback/{_ID}", "_get_feedback"),
)


@dataclass
class Workspace:
    """What LangSmith holds. `plan` takes the number of a request, from 0; `log` keeps each request as its method and path."""

    plan: Plan = lambda number: None
    instance_flags: dict = field(default_factory=lambda: {"zstd_compression_enabled": True, "dataset_examples_multipart_enabled": True})
    datasets: dict[str, dict] = field(default_factory=dict)
    examples: dict[str, dict] = field(default_factory=dict)
    versions: list[dict] = field(default_factory=list)
    sessions: dict[str, dict] = field(default_factory=dict)
    runs: dict[str, dict] = field(default_factory=dict)
    feedback: dict[str, dict] = field(default_factory=dict)
    comparisons: dict[str, dict] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    changes: int = 0
    _most: int | None = None
    _lock: Any = field(default_factory=threading.RLock)

    def answer(self, method, target, headers, body):
        """Return the status, the document and the headers of an answer; Broken where the connection is cut."""
        with self._lock:
            fault = self.plan(len(self.log))
            self.log.append((method, target))
            self.bodies.append(body)
            self._most = fault.runs if fault else None
            status, document = self._taken(method, target, headers, body) if fault is None or fault.taken else (0, None)
        if fault is None:
            return status, document, {}
        if fault.status is None:
            raise Broken
        extra = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return fault.status, {"detail": "out of order"}, extra

    @property
    def writes(self):
        """Return the requests that wanted to change something."""
        return [(method, target) for method, target in self.log if method != "GET" and not target.endswith("/runs/query")]

    def _taken(self, method, target, headers, body):
        address = urlsplit(target)
        path = re.sub(r"^(/api)?/v1(?=/)", "", address.path) if not address.path.startswith("/v1/platform") else address.path
        query = parse_qs(address.query)
        try:
            return self._routed(method, path, query, _Body(headers, body))
        except Refusal as refusal:
            if refusal.status in MALFORMED:
                self.invalid.append(refusal.detail)
            return refusal.status, {"detail": refusal.detail}

    def _routed(self, method, path, query, body):
        for wanted, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if method == wanted and match:
                return getattr(self, name)(*match.groups(), query=query, body=body)
        self.invalid.append(f"{method} {path}: no such route")
        return 404, {"detail": "Not Found"}

    def _get_info(self, **_):
        return 200, {"version": "0.13.0", "instance_flags": self.instance_flags}

    def _get_datasets(self, *, query, **_):
        return 200, _named(self.datasets.values(), query)

    def _post_dataset(self, *, body, **_):
        dataset = body.document(schemas.DATASET)
        if dataset["id"] in self.datasets or _named(self.datasets.values(), {"name": [dataset["name"]]}):
            raise Refusal(409, "Dataset with this name already exists.")
        self.datasets[dataset["id"]] = dataset | {"created_at": self._moment(), "modified_at": self._moment(), "tenant_id": TENANT}
        return self._changed(200, self.datasets[dataset["id"]])

    def _get_dataset(self, identifier, **_):
        return 200, _found(self.datasets, identifier)

    def _patch_dataset(self, identifier, *, body, **_):
        change = body.document(schemas.BASELINE)
        _found(self.sessions, change["baseline_experiment_id"])
        self.datasets[identifier] = _found(self.datasets, identifier) | change
        return self._changed(200, self.datasets[identifier])

    def _delete_dataset(self, identifier, **_):
        self.examples = {one["id"]: one for one in self.examples.values() if one["dataset_id"] != identifier}
        self.comparisons = {one["id"]: one for one in self.comparisons.values() if one["reference_dataset_id"] != identifier}
        _found(self.datasets, identifier)
        return self._changed(202, self.datasets.pop(identifier))

    def _post_comparative(self, *, body, **_):
        comparison = body.document(schemas.COMPARATIVE)
        for session in comparison["experiment_ids"]:
            if _found(self.sessions, session)["reference_dataset_id"] != comparison["reference_dataset_id"]:
                raise Refusal(400, "experiments over several datasets")
        if comparison["id"] in self.comparisons:
            raise Refusal(409, "Comparative experiment already exists.")
        self.comparisons[comparison["id"]] = comparison
        return self._changed(200, comparison)

    def _get_comparative(self, dataset, *, query, **_):
        found = [
            one for one in self.comparisons.values() if one["reference_dataset_id"] == dataset and one["id"] in query.get("id", [one["id"]])
        ]
        return 200, _page(found, query)

    def _get_version(self, dataset, *, query, **_):
        as_of = _found(self.tags, (dataset, query["tag"][0]))
        return 200, {"as_of": as_of, "tags": query["tag"]}

    def _put_tag(self, dataset, *, body, **_):
        _found(self.datasets, dataset)
        tag = body.document(schemas.TAG)
        self.tags[dataset, tag["tag"]] = tag["as_of"]
        return self._changed(200, {})

    def _get_examples(self, *, query, **_):
        found = [one for one in self.examples.values() if one["dataset_id"] in query["dataset"]]
        if "as_of" in query:
            as_of = dt.datetime.fromisoformat(query["as_of"][0])
            older = [one for one in self.versions if one["dataset_id"] in query["dataset"] and _time(one["modified_at"]) <= as_of]
            found = list({one["id"]: one for one in older}.values())
        splits = set(query.get("splits", ()))
        return 200, _page([one for one in found if not splits or splits & set(one["metadata"]["dataset_split"])], query)

    def _get_example(self, identifier, **_):
        return 200, _found(self.examples, identifier)

    def _post_examples(self, dataset, *, body, **_):
        found = self._examples_in(dataset, body)
        known = [identifier for identifier in found if identifier in self.examples]
        if known:
            raise Refusal(409, f"Examples already exist: {known[0]}")
        return self._store_examples(dataset, found)

    def _patch_examples(self, dataset, *, body, **_):
        found = self._examples_in(dataset, body)
        for identifier in found:
            _found(self.examples, identifier)
        return self._store_examples(dataset, found)

    def _examples_in(self, dataset, body):
        _found(self.datasets, dataset)
        return self._gathered(
            body.parts(sized=False), schemas.EXAMPLE_PARTS, re.compile("([0-9a-f-]{36})(?:[.](.+))?"), {"", "inputs", "outputs"}
        )

    def _get_sessions(self, *, query, **_):
        of = query.get("reference_dataset")
        found = [one for one in _named(self.sessions.values(), query) if not of or one["reference_dataset_id"] in of]
        return 200, _page([self._session(one) for one in found], query)

    def _get_session(self, identifier, **_):
        return 200, self._session(_found(self.sessions, identifier))

    def _post_session(self, *, body, **_):
        session = body.document(schemas.SESSION)
        _found(self.datasets, session["reference_dataset_id"])
        if session["id"] in self.sessions or _named(self.sessions.values(), {"name": [session["name"]]}):
            raise Refusal(409, "Session already exists.")
        self.sessions[session["id"]] = session | {"tenant_id": TENANT, "end_time": None}
        return self._changed(200, self.sessions[session["id"]])

    def _patch_session(self, identifier, *, body, **_):
        self.sessions[identifier] = _found(self.sessions, identifier) | body.document(schemas.CLOSING)
        return self._changed(200, self.sessions[identifier])

    def _delete_session(self, identifier, **_):
        _found(self.sessions, identifier)
        for held in (self.runs, self.feedback):
            for one in [one["id"] for one in held.values() if one["session_id"] == identifier]:
                del held[one]
        return self._changed(202, self.sessions.pop(identifier))

    def _post_runs(self, *, body, **_):
        return self._take_traces(body.parts(sized=True))

    def _post_query(self, *, body, **_):
        if not self.instance_flags.get("ch_query_enabled", True):
            raise Refusal(404, "Not Found")
        return self._query(body.document(schemas.QUERY))

    def _post_newer_query(self, *, body, **_):
        asked = body.document(schemas.NEWER_QUERY)
        last_day = self._moment()
        wanted = [
            run
            for run in self.runs.values()
            if run["session_id"] in asked["project_ids"]
            and asked.get("trace_id", run["trace_id"]) == run["trace_id"]
            and run["id"] in asked.get("ids", [run["id"]])
            and asked.get("min_start_time", last_day) <= run["start_time"] < asked.get("max_start_time", "9999")
        ]
        start, size = int(asked.get("cursor", 0)), asked["page_size"]
        following = str(start + size) if start + size < len(wanted) else None
        items = [self._newer(run, asked["selects"]) for run in wanted[start : start + size]]
        return 200, {"items": items, "next_cursor": following}

    def _newer(self, run, selects):
        around = [one.partition("Z")[2] for one in run["dotted_order"].split(".")][:-1]
        whole = {**run, "project_id": run["session_id"], "run_type": run["run_type"].upper(), "parent_run_ids": around}
        return {name.lower(): whole.get(name.lower()) for name in selects}

    def _get_run(self, identifier, **_):
        return 200, self._run(_found(self.runs, identifier))

    def _get_all_feedback(self, *, query, **_):
        wanted = {"run": "run_id", "session": "session_id", "key": "key", "comparative_experiment_id": "comparative_experiment_id"}
        asked = {name: query[by] for by, name in wanted.items() if by in query}
        found = [one for one in self.feedback.values() if all(one.get(name) in values for name, values in asked.items())]
        return 200, _page([one for one in found if "session" not in query.get("level", []) or one["run_id"] is None], query)

    def _get_feedback(self, identifier, **_):
        return 200, _found(self.feedback, identifier)

    def _post_feedback(self, *, body, **_):
        is_of_a_run = "run_id" in json.loads(body.data)
        return self._add_feedback([body.document(schemas.FEEDBACK_OF_A_RUN if is_of_a_run else schemas.FEEDBACK)])

    def _changed(self, status, document):
        self.changes += 1
        return status, document

    def _moment(self):
        return (dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=self.changes)).isoformat(timespec="microseconds")

    def _store_examples(self, dataset, found):
        for identifier, one in found.items():
            metadata = one[""]["metadata"] | {"dataset_split": one[""]["split"]}
            times = {"created_at": self._moment(), "modified_at": self._moment()}
            stored = {"id": identifier, "dataset_id": dataset, "inputs": one["inputs"], "outputs": one["outputs"], "metadata": metadata}
            self.examples[identifier] = stored | times
            self.versions.append(self.examples[identifier])
        return self._changed(201, {"count": len(found), "example_ids": list(found)})

    def _gathered(self, parts, allowed, pattern, needed):
        """Return the parts of a form by what they are of, each by its own name; every one has to hold to its schema."""
        found = {}
        for name, value in parts:
            match = pattern.fullmatch(name)
            if match is None or (match[2] or "") not in allowed:
                raise Refusal(422, f"unknown part {name}")
            _check(value, allowed[match[2] or ""], name)
            if (match[2] or "") in found.setdefault(match[1], {}):
                raise Refusal(422, f"part {name} comes twice")
            found[match[1]][match[2] or ""] = value
        if not found or any(not needed <= one.keys() for one in found.values()):
            raise Refusal(422, f"not all of the parts {sorted(needed)}")
        return found

    def _take_traces(self, parts):
        said = [(name, value) for name, value in parts if name.startswith("feedback.")]
        rest = [(name, value) for name, value in parts if not name.startswith("feedback.")]
        pattern = re.compile("post[.]([0-9a-f-]{36})(?:[.](.+))?")
        found = self._gathered(rest, schemas.RUN_PARTS, pattern, {"", "inputs", "extra"}) if rest or not said else {}
        if any(identifier in self.runs for identifier in found):
            raise Refusal(409, "Conflict: payload already received: payloads already received")
        runs = {}
        for identifier, one in found.items():
            extra = {name: value for name, value in one.items() if name}
            runs[identifier] = {"outputs": None, "error": None, **one[""], **extra}
            self._check_run(identifier, runs)
        for name, value in said:
            _check(value, schemas.FEEDBACK_OF_A_RUN, name)
            if name != f"feedback.{value['id']}":
                raise Refusal(422, f"{name}: another id than its part's")
        if len({run["trace_id"] for run in runs.values()} | {one["trace_id"] for _, one in said}) != 1:
            raise Refusal(422, "several traces in one request")
        if self._most is not None:
            self.runs |= dict(list(runs.items())[: self._most])
            return self._changed(202, {})
        self._add_feedback([value for _, value in said], among=runs)
        self.runs |= runs
        return 202, {"message": "Runs batch ingested"}

    def _check_run(self, identifier, runs):
        run = runs[identifier]
        around = (self.runs | runs).get(run.get("parent_run_id"))
        is_root = "parent_run_id" not in run
        metadata = run["extra"]["metadata"]
        usage = metadata.get("usage_metadata")
        own = dt.datetime.fromisoformat(run["start_time"]).strftime("%Y%m%dT%H%M%S%fZ") + identifier
        problems = (
            (run["id"] != identifier, "another id than its part's"),
            (run["session_id"] not in self.sessions, "no such session"),
            (is_root and (run["trace_id"] != identifier or run.get("reference_example_id") not in self.examples), "no row of an example"),
            (not is_root and around is None, "its parent is unknown"),
            (not is_root and "reference_example_id" in run, "only a root refers to an example"),
            (run["dotted_order"] != (f"{around['dotted_order']}.{own}" if around else own), "a wrong dotted order"),
            (run["end_time"] < run["start_time"], "it ends before it starts"),
            (is_root and metadata.get("example_version") not in self._versions_of(run), "no version of its example"),
            (usage is not None and run["run_type"] != "llm", "only tokens of llm runs count"),
            (usage is not None and usage["total_tokens"] != usage["input_tokens"] + usage["output_tokens"], "a wrong sum of tokens"),
        )
        for is_so, problem in problems:
            if is_so:
                raise Refusal(422, f"run {identifier}: {problem}")

    def _versions_of(self, root):
        return {one["modified_at"] for one in self.versions if one["id"] == root.get("reference_example_id")}

    def _add_feedback(self, documents, among=None):
        for one in documents:
            if one["id"] in self.feedback:
                raise Refusal(409, "feedback exists")
            run = (self.runs | (among or {})).get(one.get("run_id"))
            if one.get("run_id") is not None and run is None:
                raise Refusal(404, "feedback on an unknown run")
            if run is not None and any(run[name] != one[name] for name in ("trace_id", "session_id", "start_time")):
                raise Refusal(422, "feedback that says of its run what is not so")
            if one.get("comparative_experiment_id") not in {None, *self.comparisons}:
                raise Refusal(404, "feedback on an unknown comparison")
            if one["session_id"] not in self.sessions:
                raise Refusal(404, "feedback on an unknown session")
        self.feedback |= {one["id"]: {"run_id": None, "trace_id": None, **one} for one in documents}
        return self._changed(200, documents[0] if documents else {})

    def _query(self, asked):
        wanted = [run for run in self.runs.values() if _is_asked(run, asked)]
        start, limit = int(asked.get("cursor", 0)), asked.get("limit", 100)
        is_counted = "total_tokens" in asked.get("select", ["total_tokens"])
        page = [self._run(run) if is_counted else run for run in wanted[start : start + limit]]
        following = str(start + limit) if start + limit < len(wanted) else None
        selected = [{name: value for name, value in run.items() if name in asked.get("select", run)} for run in page]
        return 200, {"runs": selected, "cursors": {"next": following}}

    def _run(self, run):
        return {**run, "status": "error" if run["error"] else "success", **self.counted([run["id"]])}

    def _session(self, session):
        own = [run["id"] for run in self.runs.values() if run["session_id"] == session["id"] and "parent_run_id" not in run]
        return {**session, "run_count": len(own), **self.counted(own)}

    def counted(self, runs):
        """Return the tokens and dollars of the llm runs among these runs and below them: others count for nothing."""
        below = tuple(self.runs[identifier]["dotted_order"] for identifier in runs)
        found = [run for run in self.runs.values() if run["run_type"] == "llm" and run["dotted_order"].startswith(below)]
        usages = [usage for run in found if (usage := run["extra"]["metadata"].get("usage_metadata"))] if below else []
        return {
            "prompt_tokens": sum(usage["input_tokens"] for usage in usages),
            "completion_tokens": sum(usage["output_tokens"] for usage in usages),
            "total_tokens": sum(usage["total_tokens"] for usage in usages),
            "total_cost": str(sum((Decimal(str(usage["total_cost"])) for usage in usages if "total_cost" in usage), Decimal(0))),
        }


class _Body(NamedTuple):
    headers: dict
    raw: bytes

    @property
    def data(self):
        encoding = self.headers.get("content-encoding")
        if encoding not in {None, "zstd"}:
            raise Refusal(415, f"unknown encoding {encoding}")
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.raw) if encoding else self.raw

    def document(self, schema):
        document = json.loads(self.data)
        _check(document, schema, "body")
        return document

    def parts(self, *, sized):
        """Return the parts of a form by name; the route of runs wants the length of each."""
        kind = self.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data; boundary="):
            raise Refusal(415, "no form")
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.data)
        found = []
        for part in message.get_payload():
            data = part.get_payload(decode=True)
            if sized and part["content-length"] != str(len(data)):
                raise Refusal(422, "a part without its length")
            if part.get_content_type() != "application/json":
                raise Refusal(422, "a part that is no JSON")
            found.append((part.get_param("name", header="content-disposition"), json.loads(data)))
        return found


def _check(value, schema, place):
    problem = next(Draft202012Validator(schema).iter_errors(value), None)
    if problem is not None:
        raise Refusal(422, f"{place}: {problem.json_path}: {problem.message[:300]}")


def _is_asked(run, asked):
    root = "parent_run_id" not in run
    wanted = (
        run["session_id"] in (asked.get("session") or [run["session_id"]]),
        asked.get("is_root") in {None, root},
        asked.get("trace", run["trace_id"]) == run["trace_id"],
        run["id"] in (asked.get("id") or [run["id"]]),
    )
    return all(wanted)


def _found(held, key):
    if key not in held:
        raise Refusal(404, "Not Found")
    return held[key]


def _time(text):
    return dt.datetime.fromisoformat(text)


def _named(items, query):
    return [one for one in items if [one["name"]] == query.get("name", [one["name"]])]


def _page(items, query):
    offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["100"])[0])
    return items[offset : offset + limit]


class InProcess:
    """A remote without a network: calls go to a workspace as the bytes that they have on the wire."""

    address = "memory://langsmith"

    def __init__(self, workspace):
        self.workspace = workspace

    def send(self, call, *, within_s):
        """Send a call once."""
        assert within_s > 0
        body = encoded(call)
        headers = {"content-type": body.content_type} if body.content_type else {}
        try:
            status, document, extra = self.workspace.answer(call.method, call.path, headers, body.data or b"")
        except Broken:
            message = f"{self.address}: it cannot be reached"
            raise NoAnswer(message) from None
        wait = extra.get("Retry-After")
        return Reply(status, json.loads(json.dumps(document)), None if wait is None else float(wait))
