"""What LangSmith takes, as JSON Schema: every body that is sent has to hold to it, and unknown fields are refused."""

UUID = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
V7 = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$"}
TEXT = {"type": "string"}
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
        "name": {"type": "string", "minLength": 1},
        "run_type": {"enum": ["tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"]},
        "start_time": TIME,
        "end_time": TIME,
        "tags": {"type": "array", "items": TEXT},
    },
    parent_run_id=V7,
    reference_example_id=UUID,
)
RUN_PARTS = {
    "": RUN,
    "inputs": TABLE,
    "outputs": TABLE,
    "error": TEXT,
    "events": {"type": "array", "items": record({"name": TEXT, "time": TIME})},
    "extra": record({"metadata": {"type": "object", "properties": {"usage_metadata": USAGE, "ls_model_name": {"pattern": "^[^/]+$"}}}}),
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
DATASET = record({"id": UUID, "name": TEXT, "data_type": {"const": "kv"}}, description=MAYBE_TEXT)
COMPARATIVE = record(
    {
        "id": UUID,
        "name": TEXT,
        "experiment_ids": {"type": "array", "items": UUID, "minItems": 2},
        "reference_dataset_id": UUID,
        "created_at": TIME,
        "extra": TABLE,
    },
    description=MAYBE_TEXT,
)
BASELINE = record({"baseline_experiment_id": UUID})
EXAMPLE_PARTS = {
    "": record({"metadata": TABLE, "split": {"type": "array", "items": TEXT, "minItems": 1}}),
    "inputs": TABLE,
    "outputs": TABLE,
}
SESSION_METADATA = {
    "type": "object",
    "required": ["models", "prompts", "tools"],
    "properties": {
        "models": {"type": "array", "items": TEXT},
        "prompts": {"type": "array", "items": TEXT},
        "tools": {"type": "array", "items": record({"name": TEXT, "description": TEXT})},
        "dataset_version": TIME,
        "dataset_splits": {"type": "array", "items": TEXT},
    },
}
SESSION = record(
    {
        "id": UUID,
        "name": TEXT,
        "reference_dataset_id": UUID,
        "start_time": TIME,
        "num_examples": COUNT,
        "num_repetitions": {"type": "integer", "minimum": 1},
        "evaluator_keys": {"type": "array", "items": TEXT},
        "extra": record({"metadata": SESSION_METADATA}),
    },
    description=MAYBE_TEXT,
)
CLOSING = record({"end_time": TIME, "extra": record({"metadata": SESSION_METADATA})})
ANY_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$"}
TAG = record({"as_of": ANY_TIME, "tag": TEXT})
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
QUERY = {"type": "object", "properties": {"limit": {"type": "integer", "maximum": 100}}}
