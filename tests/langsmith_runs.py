"""Runs of models as LangSmith keeps them, and what becomes of a trace with them."""

from harness.foreign import Record, traced, trees

ROOT = {
    "id": "r",
    "run_type": "chain",
    "name": "graph",
    "inputs": {"question": "?"},
    "outputs": {},
    "start_time": "2026-01-01T00:00:00",
}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
ANSWERED = {"id": "a", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "!"}}]}


def message(kind, content="", **more):
    """Return a message as LangChain's tracer writes it."""
    name = {"human": "HumanMessage", "ai": "AIMessage", "system": "SystemMessage", "tool": "ToolMessage"}[kind]
    kwargs = {"type": kind, "content": content, **more}
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": kwargs}


def langchain(asked, answer, **more):
    """Return a run of a chat model of LangChain."""
    params = {"model": "m", "model_name": "m", "_type": "openai-chat", "stop": None, "stream": False}
    outputs = {"generations": [[{"message": answer, "generation_info": {"finish_reason": "stop"}}]], "llm_output": None}
    return {"inputs": {"messages": [asked]}, "outputs": outputs, "extra": {"invocation_params": params}, **more}


def exchanges_of(*runs, **how):
    """Return what becomes of a trace with these runs of models."""
    inner = [{"id": f"m{number}", "run_type": "llm", "name": "model", "parent_run_id": "r", **run} for number, run in enumerate(runs)]
    (tree,) = trees(Record(f"record {number}", run) for number, run in enumerate([ROOT, *inner], start=1))
    return traced(tree, **how)


def failed(error, outputs=None, **more):
    """Return a run of a chat model that failed."""
    return {**langchain([message("human", "?")], message("ai")), "outputs": outputs, "error": error, "end_time": "2026-01-01", **more}


def kept_answer(status, body, **headers):
    """Return the outputs of a failed run in which LangChain keeps what the server answered."""
    told = {"status_code": status, "body": body, "headers": headers}
    return {"generations": [[{"message": message("ai", "", response_metadata=told)}]]}
