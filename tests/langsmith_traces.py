"""Traces as LangChain's own tracer makes them for LangSmith, kept as the JSON that would be sent."""

import contextlib
import importlib
import json
import runpy
import warnings

import anthropic
import openai
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from langsmith._internal._serde import dumps_json
from openai_server import serving

from harness.script import parse


class Kept(Client):
    """Keeps runs instead of sending them."""

    def __init__(self):
        super().__init__(api_url="http://127.0.0.1:1", api_key="none", auto_batch_tracing=False, info={})
        self.kept = {}

    def create_run(self, name=None, inputs=None, run_type=None, **run):
        """Keep a run."""
        self.kept[str(run["id"])] = {"name": name, "inputs": inputs, "run_type": run_type, **run}

    def update_run(self, run_id, **change):
        """Keep what a run ended with."""
        self.kept[str(run_id)] |= {name: value for name, value in change.items() if value is not None}


def traced_call(call, server):
    """Call a real model of LangChain at this server, and return what its tracer sends, also where the call fails."""
    client = Kept()
    with contextlib.suppress(Exception):
        call(server.base_url, {"callbacks": [LangChainTracer(client=client)]})
    return sent_by(client)


def wrapped_client(base_url, client):
    """Return a client of OpenAI as LangSmith wraps it, which traces to this client of LangSmith."""
    return _wrappers().wrap_openai(openai.OpenAI(base_url=base_url, api_key="a-key", max_retries=0), tracing_extra={"client": client})


def wrapped_anthropic(base_url, client):
    """Return a client of Anthropic as LangSmith wraps it, which traces to this client of LangSmith."""
    address = base_url.removesuffix("/v1")
    return _wrappers().wrap_anthropic(
        anthropic.Anthropic(base_url=address, api_key="a-key", max_retries=0), tracing_extra={"client": client}
    )


def _wrappers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of another wrapper, which comes along
        return importlib.import_module("langsmith.wrappers")


def sent_by(client):
    """Return the runs that a client has kept, as they would be sent."""
    return [json.loads(dumps_json(run)) for run in client.kept.values()]


def traced_runs(program, inputs, rules, monkeypatch):
    """Run the graph of a program against a model that follows these rules, and return the runs of its trace."""
    client = Kept()
    with serving(parse(rules, path="rules")) as server, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.base_url)
        patch.setenv("OPENAI_API_KEY", "a-key-of-the-tests")
        runpy.run_path(str(program))["build"]().invoke(inputs, {"callbacks": [LangChainTracer(client=client)]})
    return sent_by(client)
