"""Traces as LangChain's own tracer makes them for LangSmith, kept as the JSON that would be sent."""

import json
import runpy

from langchain_core.tracers import LangChainTracer
from langsmith import Client
from langsmith._internal._serde import dumps_json
from openai_server import serving

from harness.script import parse


class _Kept(Client):
    """Keeps runs instead of sending them."""

    def __init__(self):
        super().__init__(api_url="http://127.0.0.1:1", api_key="none", auto_batch_tracing=False, info={})
        self.kept = {}

    def create_run(self, **run):
        """Keep a run."""
        self.kept[str(run["id"])] = run

    def update_run(self, run_id, **change):
        """Keep what a run ended with."""
        self.kept[str(run_id)] |= {name: value for name, value in change.items() if value is not None}


def traced_runs(program, inputs, rules, monkeypatch):
    """Run the graph of a program against a model that follows these rules, and return the runs of its trace."""
    client = _Kept()
    with serving(parse(rules, path="rules")) as server, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.base_url)
        patch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        runpy.run_path(str(program))["build"]().invoke(inputs, {"callbacks": [LangChainTracer(client=client)]})
    return [json.loads(dumps_json(run)) for run in client.kept.values()]
