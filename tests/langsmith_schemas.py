"""What LangSmith takes, as JSON Schema: every body that is sent has to hold to it, and unknown fields are refused."""

UUID = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
V7 = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$"}
TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
TABLE = {"type": "object"}
MAYBE_TEXT = {"type": ["string", "null"]}
COUNT = {"type": "integer", "minimum": 0}


def record(required, **optional):
    """Return the schema of an object with these fields and no others."""
    return {"type": "object", "properties": required | optional, "required": sorted(required), "additionalProperties": False}


USAGE = record(
    {"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT},
    input_token_details=record({}, cache_read=COUNT),
    output_token_details=record({}, reasoning=COUNT),
    total_cost={"type": "number", "minimum": 0},
)
RUN = record(
    {
        "id": V7,
        "trace_id": V7,
        "dotted_order": {"type": "string", "pattern": r"^\d{8}T\d{12}Z[0-9a-f-]{36}(\.\d{8}T\d{12}Z[0-9a-f-]{36})*$"},
        "session_id": UUID,
        "name": NAME,
        "run_type": {"enum": ["tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"]},
        "start_time": TIME,
        "end_time": TIME,
        "tags": {"type": "array", "items": TEXT},
    },
    parent_run_id=V7,
    reference_example_id=UUID,
)
_OF_RUN = {"usage_metadata": USAGE, "ls_model_name": {"type": "string", "pattern": "^[^/]+$"}, "ls_provider": NAME, "example_version": TIME}
RUN_PARTS = {
    "": RUN,
    "inputs": TABLE,
    "outputs": TABLE,
    "error": TEXT,
    "events": {"type": "array", "items": record({"name": TEXT, "time": TIME})},
    "extra": record({"metadata": {"type": "object", "properties": _OF_RUN}}),
}
FEEDBACK_OF_A_RUN = record(
    {
        "id": UUID,
        "run_id": V7,
        "trace_id": V7,
        "session_id": UUID,
        "start_time": TIME,
        "key": {"type": "string", "minLength": 1, "maxLength": 180},
        "score": {"type": ["number", "boolean", "null"]},
        "value": {"type": ["string", "number", "boolean", "object", "null"]},
        "comment": MAYBE_TEXT,
        "feedback_source": record({"type": {"enum": ["api", "model", "app"]}}, metadata=TABLE),
        "extra": {"type": ["object", "null"]},
        "created_at": TIME,
        "modified_at": TIME,
    },
    comparative_experiment_id=UUID,
    feedback_group_id=UUID,
)
_OF_A_RUN = {"run_id", "trace_id", "start_time", "comparative_experiment_id", "feedback_group_id"}
FEEDBACK = record({name: schema for name, schema in FEEDBACK_OF_A_RUN["properties"].items() if name not in _OF_A_RUN})
DATASET = record({"id": UUID, "name": NAME, "data_type": {"const": "kv"}}, description=MAYBE_TEXT)
COMPARATIVE = record(
    {
        "id": UUID,
        "name": NAME,
        "experiment_ids": {"type": "array", "items": UUID, "minItems": 2, "uniqueItems": True},
        "reference_dataset_id": UUID,
        "created_at": TIME,
        "extra": record({"metadata": TABLE}),
    },
    description=MAYBE_TEXT,
)
BASELINE = record({"baseline_experiment_id": UUID})
EXAMPLE_PARTS = {
    "": record({"metadata": TABLE, "split": {"type": "array", "items": NAME, "minItems": 1}}),
    "inputs": TABLE,
    "outputs": TABLE,
}
_METADATA = {
    "models": {"type": "array", "items": NAME},
    "prompts": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:[^:]+$"}},
    "tools": {"type": "array", "items": record({"name": NAME, "description": TEXT})},
    "git": record({"commit": MAYBE_TEXT}),
    "langgraph_harness": TABLE,
}
_VERSION = {"dataset_version": TIME, "dataset_splits": {"type": "array", "items": NAME, "minItems": 1}}
SESSION = record(
    {
        "id": UUID,
        "name": NAME,
        "reference_dataset_id": UUID,
        "start_time": TIME,
        "num_examples": COUNT,
        "num_repetitions": {"type": "integer", "minimum": 1},
        "evaluator_keys": {"type": "array", "items": NAME},
        "extra": record({"metadata": record(_METADATA)}),
    },
    description=MAYBE_TEXT,
)
CLOSING = record({"end_time": TIME, "extra": record({"metadata": record(_METADATA | _VERSION)})})
ANY_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$"}
TAG = record({"as_of": ANY_TIME, "tag": {"type": "string", "pattern": "[^:]$"}})
NEWER_QUERY = record(
    {
        "project_ids": {"type": "array", "items": UUID, "minItems": 1},
        "selects": {
            "type": "array",
            "items": {
                "enum": [
                    *("ID", "NAME", "RUN_TYPE", "START_TIME", "END_TIME", "INPUTS", "OUTPUTS", "ERROR", "EXTRA", "EVENTS"),
                    *("PARENT_RUN_IDS", "TRACE_ID", "DOTTED_ORDER", "PROJECT_ID", "FIRST_TOKEN_TIME", "MANIFEST"),
                ]
            },
        },
        "page_size": {"type": "integer", "minimum": 1, "maximum": 1000},
    },
    min_start_time=TIME,
    max_start_time=TIME,
    trace_id=V7,
    ids={"type": "array", "items": UUID},
    cursor=TEXT,
)
_SELECTED = (
    *("id", "name", "run_type", "status", "start_time", "end_time", "inputs", "outputs", "error", "extra", "events", "tags", "serialized"),
    *("parent_run_id", "parent_run_ids", "child_run_ids", "trace_id", "dotted_order", "session_id", "reference_example_id", "app_path"),
    *("total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "prompt_cost", "completion_cost", "first_token_time"),
    *("feedback_stats", "in_dataset", "manifest_id", "share_token", "s3_urls", "inputs_s3_urls", "outputs_s3_urls"),
)
_SOME = {"type": "array", "items": UUID, "minItems": 1}
QUERY = record(
    {},
    limit={"type": "integer", "minimum": 1, "maximum": 100},
    select={"type": "array", "items": {"enum": [*_SELECTED]}},
    session=_SOME,
    id=_SOME,
    trace=V7,
    is_root={"type": "boolean"},
    cursor=NAME,
    order={"enum": ["asc", "desc"]},
    skip_pagination={"type": "boolean"},
)
