"""A dataset: an ordered set of cases with a name and a content digest."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, Field, JsonValue, ValidationError, field_validator, model_validator

from harness.errors import DatasetError
from harness.schema import Value, canonical_json, digest, first_problem, read_json

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Mode = Literal["strict", "unordered", "subset", "superset", "in_order"]
ArgsMode = Literal["exact", "subset", "superset", "ignore"]
End = Literal["answer", "limit", "interrupt", "error"]
Backend = Literal["memory", "sqlite", "postgres"]
ModelFault = Literal[
    "rate_limit",
    "server_error",
    "overloaded",
    "auth",
    "context_length",
    "content_filter",
    "connect_error",
    "timeout",
    "hang",
    "slow",
    "cut_stream",
    "error_event",
    "empty",
    "truncated_json",
    "wrong_schema",
    "unknown_route",
    "unknown_tool",
    "bad_arguments",
    "refusal",
    "endless_tools",
]
ToolFault = Literal["raise", "hang", "empty", "garbage", "huge", "injection"]


class PathExpectation(Value):
    """The nodes that a trial should visit; what counts as equal is the mode's."""

    mode: Mode = "strict"
    nodes: tuple[str, ...]


class ToolExpectation(Value):
    """One tool call that is expected; no `args` means any."""

    name: str
    args: dict[str, JsonValue] | None = None


class ToolsExpectation(Value):
    """The tool calls of a trial; `args` is one mode for all tools, or a mode by tool name (`*` for the others)."""

    mode: Mode = "strict"
    calls: tuple[ToolExpectation, ...]
    args: ArgsMode | dict[str, ArgsMode] = "exact"


Seconds = Annotated[float, Field(ge=0)]


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        message = f"the first bound, {bounds[0]:g}, is above the second, {bounds[1]:g}"
        raise ValueError(message)
    return bounds


Span = Annotated[tuple[Seconds, Seconds], AfterValidator(_ordered)]
"""The least and the most, in seconds; both are allowed."""


class FallbackExpectation(Value):
    """Who should answer after how many requests on the wire, and at what cost in time; `node` narrows all of it to one node.

    `backoff` bounds the wait before each retry, `delay_s` what the failed attempts cost in all, exactly or within bounds.
    """

    answered_by: str | None = None
    attempts: int | None = Field(default=None, ge=0)
    backoff: tuple[Span, ...] | None = None
    delay_s: Seconds | Span | None = None
    node: str | None = None


class EventExpectation(Value):
    """Events that `astream_events` should give, by type (`tool`, `chat_model`, `chain` …), name and tag; no `times` means at least once."""

    type: str | None = None
    name: str | None = None
    tag: str | None = None
    times: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _of_something(self) -> "EventExpectation":
        if self.type is None and self.name is None and self.tag is None:
            message = "say which events: type, name or tag"
            raise ValueError(message)
        return self


class StreamingExpectation(Value):
    """What should be seen while the trial is streamed: `custom` is what nodes write to the stream, in order."""

    custom: tuple[JsonValue, ...] | None = None
    events: tuple[EventExpectation, ...] = ()


class Limits(Value):
    """Bounds on one trial: counts, tokens, dollars, seconds. Reaching a bound is fine, passing it is not."""

    steps: int | None = Field(default=None, ge=0)
    visits: dict[str, int] = {}
    tool_calls: int | None = Field(default=None, ge=0)
    model_calls: int | None = Field(default=None, ge=0)
    repeated_calls: int | None = Field(default=None, ge=0)
    repeated_states: int | None = Field(default=None, ge=0)
    no_progress: int | None = Field(default=None, ge=0)
    vain_retries: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    duration_s: float | None = Field(default=None, ge=0)

    def override(self, other: "Limits") -> "Limits":
        """Return these limits with those that `other` sets, key by key; visits are merged node by node."""
        if other == Limits():
            return self
        merged = {**self.model_dump(exclude_defaults=True), **other.model_dump(exclude_defaults=True)}
        merged["visits"] = {**self.visits, **other.visits}
        return Limits(**merged)


class Budget(Value):
    """What one trial may use: it is stopped before an answer that would go over."""

    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)


_NO_LIMITS = Limits()  # one for all cases without any: a large dataset stays small


class Expected(Value):
    """What is expected of one trial; what is left out is not checked. `reference` is for evaluators of the LangSmith form."""

    route: dict[str, str] = {}
    path: PathExpectation | None = None
    tools: ToolsExpectation | None = None
    output: dict[str, JsonValue] = {}
    fallback: FallbackExpectation | None = None
    sequence: dict[str, tuple[JsonValue, ...]] = {}
    reached: tuple[str, ...] | None = None
    interrupts: tuple[JsonValue, ...] | None = None
    crash: tuple[Backend, ...] | None = None
    streaming: StreamingExpectation | None = None
    limits: Limits = Field(default_factory=lambda: _NO_LIMITS)
    ends: End = "answer"
    reference: dict[str, JsonValue] = {}

    @field_validator("output")
    @classmethod
    def _of_the_end(cls, output: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in output:
            if key not in {"text", "state"} and not key.startswith("state."):
                message = f"{key!r} is neither 'text' nor 'state.<path>'; did you mean 'state.{key}'?"
                raise ValueError(message)
        return output


_NOTHING_EXPECTED = Expected()


class FaultPlace(Value):
    """Where a fault strikes: the k-th model call, embedding or tool call of the trial, or of the node or tool that is named; from 1."""

    model_call: int | None = Field(default=None, ge=1)
    embedding: int | None = Field(default=None, ge=1)
    tool_call: int | None = Field(default=None, ge=1)
    tool: str | None = None
    node: str | None = None

    @property
    def is_tool(self) -> bool:
        """Tell a place among the tool calls from one among the requests."""
        return self.tool is not None or self.tool_call is not None


class FaultSpec(Value):
    """A fault to inject: that request, or tool call, and the following `times - 1` of its kind are damaged.

    Left out, `times` is 1, but without end for `endless_tools`. `status` is for `server_error` and
    `overloaded`, `retry_after_s` for every fault that is an HTTP error, `delay_s` for `slow`.
    """

    at: FaultPlace
    fault: ModelFault | ToolFault
    times: int | None = Field(default=None, ge=1)
    retry_after_s: float | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=500, le=599)
    delay_s: float | None = Field(default=None, ge=0)

    def strikes(self, number: int) -> bool:
        """Tell whether the request or tool call of this number, from 1, is damaged."""
        first = self.at.model_call or self.at.embedding or self.at.tool_call or 1
        times = self.times or (math.inf if self.fault == "endless_tools" else 1)
        return first <= number < first + times

    def __str__(self) -> str:
        """Write the fault as a flag of the command line."""
        place = self.at.model_dump(exclude_none=True)
        details = self.model_dump(exclude={"at", "fault"}, exclude_none=True)
        return f"{self.fault}@{','.join(f'{name}={value}' for name, value in {**place, **details}.items())}"

    @field_validator("at")
    @classmethod
    def _somewhere(cls, at: FaultPlace) -> FaultPlace:
        if at == FaultPlace():
            message = "say where: model_call, embedding, tool_call, tool or node"
            raise ValueError(message)
        if sum(map(bool, (at.model_call, at.embedding, at.is_tool))) > 1:
            message = "model_call, embedding and tool_call (or tool) are several places; write several faults"
            raise ValueError(message)
        return at

    @model_validator(mode="after")
    def _fits(self) -> "FaultSpec":
        known = get_args(ToolFault if self.at.is_tool else ModelFault)
        if self.fault not in known:
            message = f"{self.fault!r} is no fault of a {'tool' if self.at.is_tool else 'model'}; those are {', '.join(known)}"
            raise ValueError(message)
        if self.status is not None and self.fault not in {"server_error", "overloaded"}:
            message = f"a status is for 'server_error' and 'overloaded', not for {self.fault!r}"
            raise ValueError(message)
        if self.delay_s is not None and self.fault != "slow":
            message = f"delay_s is for 'slow', not for {self.fault!r}"
            raise ValueError(message)
        return self


class Case(Value):
    """One input with what is expected of it; it is run under every variant, or only under those that it names.

    `turns` are further inputs, one after the other, on the same thread.
    """

    id: str = Field(min_length=1)
    inputs: JsonValue
    turns: tuple[JsonValue, ...] = ()
    expected: Expected = Field(default_factory=lambda: _NOTHING_EXPECTED)
    resume: tuple[JsonValue, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    variants: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, JsonValue] = {}


class Dataset(Value):
    """Cases in their order; the digest covers their content, not how the file is written."""

    name: str
    cases: tuple[Case, ...]

    @property
    def digest(self) -> str:
        """Return the digest of the cases' content."""
        return digest("\n".join(case.to_json() for case in self.cases))


def parse(text: str, *, name: str, path: str) -> Dataset:
    """Read a dataset from the text of a .jsonl, .yaml or .csv file; `path` is named in every error."""
    text = text.removeprefix("\ufeff")  # spreadsheets write it
    suffix = path.rpartition(".")[2].lower()
    readers = {"jsonl": _jsonl_rows, "yaml": _yaml_rows, "yml": _yaml_rows, "csv": _csv_rows}
    if suffix not in readers:
        message = f"{path}: a dataset is a .jsonl, .yaml or .csv file"
        raise DatasetError(message)
    cases: dict[str, Case] = {}
    for place, row in readers[suffix](text, path):
        case = _case(row, place)
        if case.id in cases:
            message = f"{place}: case id {case.id!r} stands twice; ids must be unique"
            raise DatasetError(message)
        cases[case.id] = case
    return Dataset(name=name, cases=tuple(cases.values()))


def _case(row: Any, place: str) -> Case:
    if not isinstance(row, dict):
        message = f"{place}: a case is an object with 'id' and 'inputs', this is {type(row).__name__}"
        raise DatasetError(message)
    try:
        return Case.model_validate_json(canonical_json(_from_langsmith(row)))
    except ValidationError as error:
        message = f"{place}: {first_problem(error, Case)}"
        raise DatasetError(message) from None
    except (TypeError, ValueError) as error:
        message = f"{place}: not representable as JSON: {error}"
        raise DatasetError(message) from None


def _from_langsmith(row: dict[str, Any]) -> dict[str, Any]:
    """Translate LangSmith's field names: `outputs` is what is expected, `split` a tag; its exports hold empty fields as null."""
    row = {key: value for key, value in row.items() if value is not None or key not in {"outputs", "split", "metadata"}}
    if "outputs" in row and "expected" not in row:
        outputs = row.pop("outputs")
        row["expected"] = outputs if _is_expectation(outputs) else {"reference": outputs}
    if "split" in row:
        split, tags = row.pop("split"), row.get("tags") or []
        row["tags"] = [*(tags if isinstance(tags, list) else [tags]), *([split] if isinstance(split, str) else split)]
    return row


def _is_expectation(outputs: Any) -> bool:
    """Tell our own expectations from a target's outputs, which may be called `output` or `route` too."""
    if not isinstance(outputs, dict) or not outputs.keys() <= Expected.model_fields.keys():
        return False
    places = outputs.get("output", {})
    tables = [value for key, value in outputs.items() if key not in {"interrupts", "ends"}]
    return all(isinstance(table, dict) for table in tables) and all(key == "text" or key.partition(".")[0] == "state" for key in places)


def _jsonl_rows(text: str, path: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(io.StringIO(text), start=1):  # not splitlines: a JSON text may hold U+2028
        if not line.strip():
            continue
        try:
            yield f"{path}:{number}", read_json(line.strip())
        except ValueError as error:
            message = f"{path}:{number}: not JSON: {error}"
            raise DatasetError(message) from None


def _yaml_rows(text: str, path: str) -> Iterator[tuple[str, Any]]:
    try:
        rows = yaml.load(text, Loader=_LOADER)  # noqa: S506, a safe loader
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        message = f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}"
        raise DatasetError(message) from None
    if rows is None:
        return
    if not isinstance(rows, list):
        message = f"{path}: a YAML dataset is a list of cases"
        raise DatasetError(message)
    lines = [item.start_mark.line + 1 for item in node.value] if isinstance(node, yaml.SequenceNode) else []
    for line, row in zip(lines, rows, strict=True):
        yield f"{path}:{line}", row


def _csv_rows(text: str, path: str) -> Iterator[tuple[str, Any]]:
    """Read CSV: column names are dotted places (`inputs.question`, `expected.route.classify`); cells are JSON or text."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if None in row:
                message = f"{place}: more cells than columns"
                raise DatasetError(message)
            yield place, _nested({key: cell for key, cell in row.items() if cell not in {"", None}}, place)
    except csv.Error as error:
        message = f"{path}:{reader.reader.line_num}: not CSV: {error}"
        raise DatasetError(message) from None


def _nested(cells: dict[str, str], place: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, cell in cells.items():
        *parents, last = column.split(".")
        target = row
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                message = f"{place}: column {column!r} is inside another column"
                raise DatasetError(message)
        target[last] = cell if column == "id" else _cell(cell)
    return row


def _cell(cell: str) -> Any:
    try:
        return read_json(cell)
    except ValueError:
        return cell
