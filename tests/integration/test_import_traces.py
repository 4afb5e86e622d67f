"""`harness import langsmith RUN…`: a trace of production becomes a case and a cassette, on which the user's graph runs again."""

import json
import textwrap

import pytest
from langsmith_traces import traced_runs
from letters import AGENT, RULES, case
from tool_agent import AGENT as TOOL_AGENT

TOOL_RULES = """
- when: {contains: "found 7"}
  reply: {text: "It is seven."}
- when: {}
  reply: {tool_calls: [{name: look, args: {number: 7}}]}
"""
ROUTES = 'routes.classify = "kind"'


@pytest.fixture
def letters(world):
    """Return a project with the agent of letters and one case, which is recorded."""
    world.write("agent.py", AGENT)
    world.suite(ROUTES)
    world.cases(case(1))
    world.record(RULES)
    return world


@pytest.fixture
def tools(world, monkeypatch):
    """Return a project with the agent of tools, without a case, and an exported trace of it by LangChain's own tracer."""
    world.suite()
    program = world.write("agent.py", TOOL_AGENT)
    inputs = {"messages": [{"role": "user", "content": "Look 7 up for ann@example.com."}]}
    world.runs = traced_runs(program, inputs, TOOL_RULES, monkeypatch)
    return world


def bring_in(world, runs, *arguments):
    """Import exported runs as a case."""
    world.write("trace.json", json.dumps(runs))
    return world.harness("import", "langsmith", "trace.json", "--suite", "agent", "--as-case", *arguments)


def root_of(runs):
    """Return the root of a trace."""
    (found,) = (run for run in runs if run.get("parent_run_id") is None)
    return found


def cases_in(world):
    """Return the lines of the dataset."""
    path = world.root / "datasets" / "agent.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@pytest.mark.parametrize("by", ["id", "address"])
def test_a_trace_in_langsmith_becomes_a_case_that_passes(letters, hub, by):
    """The run is fetched; its case has its inputs and path, and is played again by the user's graph from what the model said there."""
    assert (letters.harness("run").code, letters.harness("push").code) == (0, 0)
    (root,) = (run for run in hub.workspace.runs.values() if "parent_run_id" not in run)
    source = root["id"] if by == "id" else f"{hub.address}/o/t/projects/p/{root['session_id']}/r/{root['id']}?poll=true"

    answer = letters.harness("import", "langsmith", source, "--suite", "agent", "--expect", "path")

    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"agent: case '{root['id']}': 1 exchange\n"
    assert letters.harness("run", "--filter", root["id"]).code == 0
    trial = letters.trial()
    assert (trial.case, trial.outcome, trial.played, trial.unused) == (root["id"], "pass", 1, 0)
    assert trial.trace.nodes == ("classify", "letter")
    assert cases_in(letters)[1]["inputs"] == case(1)["inputs"]
    assert cases_in(letters)[1]["expected"] == {"path": {"nodes": ["classify", "letter"]}}


def test_a_trace_of_langchains_own_tracer_becomes_a_case_that_passes(tools):
    """Messages, tools and their calls are asked again as they were, and everything recorded is used."""
    answer = bring_in(tools, tools.runs, "--expect", "path", "--expect", "text")

    name = root_of(tools.runs)["id"]
    assert (answer.code, answer.out, answer.err) == (0, f"agent: case '{name}': 2 exchanges\n", "")
    assert tools.harness("run").code == 0
    trial = tools.trial()
    assert (trial.played, trial.unused, trial.outcome) == (2, 0, "pass")
    assert [(tool.name, tool.args) for tool in trial.trace.tools] == [("look", {"number": 7})]
    assert trial.trace.text == "It is seven."
    assert [call.drift for call in trial.trace.calls] == [(), ()]
    assert sum(call.usage.total_tokens for call in trial.trace.calls) == sum(
        run["outputs"]["llm_output"]["token_usage"]["total_tokens"] for run in tools.runs if run["run_type"] == "llm"
    )


def test_nothing_is_expected_unless_asked(tools):
    """Without --expect the case claims neither path nor text."""
    bring_in(tools, tools.runs)

    (found,) = cases_in(tools)
    assert "expected" not in found
    assert found["metadata"]["trace"]["id"] == root_of(tools.runs)["id"]


def test_a_run_of_the_sdk_with_its_children_inside_is_a_trace(tools):
    """An exported run whose `child_runs` hold the others is read as the whole tree."""
    nested = {run["id"]: {**run, "child_runs": []} for run in tools.runs}
    for run in nested.values():
        if run.get("parent_run_id"):
            nested[run["parent_run_id"]]["child_runs"].append(run)

    answer = bring_in(tools, root_of(list(nested.values())))

    assert (answer.code, answer.out.partition(": ")[2]) == (0, f"case '{root_of(tools.runs)['id']}': 2 exchanges\n")


def test_a_second_import_changes_nothing(tools):
    """What is there as it would be written is said to be there, and stays to the byte."""
    bring_in(tools, tools.runs)
    before = {path: path.read_bytes() for path in tools.root.rglob("*") if path.suffix in {".jsonl", ".yaml"}}

    answer = bring_in(tools, tools.runs)

    assert (answer.code, answer.out.endswith("2 exchanges, there already\n")) == (0, True)
    assert {path: path.read_bytes() for path in before} == before


def test_a_case_that_is_there_unlike_is_not_changed(tools):
    """A case of this id with other content stays, the line says where, and no cassette is written."""
    name = root_of(tools.runs)["id"]
    tools.cases({"id": name, "inputs": {"messages": []}})
    before = cases_in(tools)

    answer = bring_in(tools, tools.runs)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"harness: datasets/agent.jsonl: case '{name}' is there with other content")
    assert cases_in(tools) == before
    assert not (tools.root / "cassettes").exists()


def test_a_cassette_that_is_there_unlike_is_not_overwritten(tools):
    """A cassette of this case with other exchanges stays, and no case is added."""
    bring_in(tools, tools.runs)
    (cassette,) = (tools.root / "cassettes" / "agent").iterdir()
    cassette.write_text(cassette.read_text("utf-8").replace("It is seven.", "It is eight."), "utf-8")
    tools.cases()
    before = cassette.read_bytes()

    answer = bring_in(tools, tools.runs)

    assert answer.code == 2
    assert f"{cassette.relative_to(tools.root)}: it is there with other exchanges" in answer.err
    assert (cassette.read_bytes(), (tools.root / "datasets" / "agent.jsonl").read_text("utf-8").strip()) == (before, "")


def test_secrets_of_a_trace_are_in_neither_file(tools):
    """Case and cassette are redacted as all that is stored."""
    key = "sk-proj-" + "a1B2c3D4e5F6" * 4
    runs = json.loads(json.dumps(tools.runs).replace("Look 7 up", f"Look 7 up with {key}"))

    assert bring_in(tools, runs).code == 0

    written = [path.read_text("utf-8") for path in tools.root.rglob("*") if path.suffix in {".jsonl", ".yaml"} and path.is_file()]
    assert len(written) == 2
    assert not [text for text in written if key in text]


def test_a_call_that_cannot_be_rebuilt_is_left_out_and_said(tools):
    """A run of a model that failed shows no answer: the others are kept, and standard error names it."""
    last = [run for run in tools.runs if run["run_type"] == "llm"][-1]
    last |= {"error": "RateLimitError('slow down')", "outputs": None}

    answer = bring_in(tools, tools.runs)

    assert (answer.code, "1 exchange" in answer.out) == (0, True)
    assert answer.err == (
        f"harness: left out of '{root_of(tools.runs)['id']}': run {last['id']} (ChatOpenAI):"
        " it failed with RateLimitError, and what the server answered is not in it\n"
    )


def _hidden(runs):
    root_of(runs)["inputs"] = {}


def _cut(runs):
    runs.remove(root_of(runs))


def _elsewhere(runs):
    for run in runs:
        run.get("extra", {}).get("invocation_params", {}).update(_type="vertexai")


def _twice(runs):
    runs.append(runs[0])


def _without_nodes(runs):
    for run in runs:
        run["extra"]["metadata"].pop("langgraph_node", None)


def _alone(runs):
    runs[:] = [root_of(runs)]


def _in_a_circle(runs):
    inner = [run for run in runs if run.get("parent_run_id")]
    inner[0]["parent_run_id"], inner[1]["parent_run_id"] = inner[1]["id"], inner[0]["id"]


def _unfinished(runs):
    for run in runs:
        run |= {"end_time": None, "outputs": None}


@pytest.mark.parametrize(
    ("damage", "arguments", "line"),
    [
        (_alone, (), "only the root run of trace"),
        (_in_a_circle, (), "which is inside of it"),
        (_unfinished, (), "it had not ended"),
        (_hidden, (), "does not show its inputs"),
        (_cut, (), "which is not there; export the whole trace"),
        (_elsewhere, (), "its model is called by 'vertexai', neither by an OpenAI-compatible client nor by Anthropic's"),
        (_twice, (), "stands at trace.json: record 1 already"),
        (_without_nodes, ("--expect", "path"), "shows no node of LangGraph; leave --expect path out"),
        (list, ("--case", "extra.metadata.nothing"), "is no name of a case; name another with --case"),
        (list, ("--score", "correct"), "--score is for experiments"),
    ],
    ids=["alone", "circle", "unfinished", "inputs", "parent", "provider", "twice", "nodes", "name", "option"],
)
def test_what_shows_too_little_is_refused_in_one_line(tools, damage, arguments, line):
    """Exit code 2, a line that says what lacks, and no file."""
    damage(tools.runs)

    answer = bring_in(tools, tools.runs, *arguments)

    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert line in answer.err
    assert not (tools.root / "cassettes").exists()
    assert cases_in(tools) == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'[{"id": "a", "run_type": "chain", "inp', "trace.json: not JSON: Unterminated string"),
        (b"id,run_type,inputs\n1,chain,{}\n", "trace.json: not JSON: Expecting value; there has to be a JSON list of objects"),
        ('[{"id": "ä", "run_type": "chain"}]'.encode("latin-1"), "trace.json: not UTF-8 text"),
        (b'{"run_type": "chain"}', "trace.json: record 1: not a run of LangSmith: it has no id or no run_type"),
    ],
    ids=["cut", "csv", "latin", "no run"],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(tools, content, line):
    """Exit code 2, a line with the file, and no case."""
    (tools.root / "trace.json").write_bytes(content)

    answer = tools.harness("import", "langsmith", "trace.json", "--suite", "agent", "--as-case")

    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert line in answer.err
    assert cases_in(tools) == []


def test_a_run_inside_of_a_trace_names_its_trace(letters, hub):
    """The id of an inner run is no trace; the line says of which it is."""
    assert (letters.harness("run").code, letters.harness("push").code) == (0, 0)
    inner = next(run for run in hub.workspace.runs.values() if "parent_run_id" in run)

    answer = letters.harness("import", "langsmith", inner["id"], "--suite", "agent")

    assert answer.code == 2
    assert f"it is inside of the trace {inner['trace_id']}, import that" in textwrap.dedent(answer.err)


def test_a_server_with_the_newer_route_alone_is_asked_by_project(letters, hub):
    """The run's address names the project; a bare id is not enough there, and the line says what is."""
    hub.workspace.instance_flags |= {"ch_query_enabled": False, "sdb_query_enabled": True}
    assert (letters.harness("run").code, letters.harness("push").code) == (0, 0)
    (root,) = (run for run in hub.workspace.runs.values() if "parent_run_id" not in run)
    address = f"{hub.address}/o/t/projects/p/{root['session_id']}/r/{root['id']}"

    bare = letters.harness("import", "langsmith", root["id"], "--suite", "agent")
    whole = letters.harness("import", "langsmith", address, "--suite", "agent", "--expect", "path")

    assert (bare.code, "it finds runs by their project; give the address of run" in bare.err) == (2, True)
    assert (whole.code, whole.out) == (0, f"agent: case '{root['id']}': 1 exchange\n")
    assert cases_in(letters)[1]["expected"] == {"path": {"nodes": ["classify", "letter"]}}


def test_expect_is_refused_for_an_experiment(letters):
    """Without --as-case a file becomes an experiment, of which nothing is expected."""
    letters.write("runs.json", "[]")

    answer = letters.harness("import", "langsmith", "runs.json", "--suite", "agent", "--expect", "path")

    assert (answer.code, answer.out) == (2, "")
    assert "--expect is for cases" in answer.err


def test_streamed_answers_of_a_trace_are_streamed_again(world, monkeypatch):
    """An agent that streams its model gets what the trace shows of the whole answer as a stream."""
    world.suite()
    program = world.write("agent.py", TOOL_AGENT.replace("max_retries=0", "max_retries=0, streaming=True, stream_usage=True"))
    runs = traced_runs(program, {"messages": [{"role": "user", "content": "Look 7 up."}]}, TOOL_RULES, monkeypatch)

    assert bring_in(world, runs, "--expect", "path", "--expect", "text").code == 0
    assert world.harness("run").code == 0
    trial = world.trial()
    assert (trial.played, trial.unused) == (2, 0)
    assert [call.streamed for call in trial.trace.calls] == [True, True]


STRUCTURED = (
    AGENT.replace(
        'ChatOpenAI(model="gpt-4o-mini").invoke(state["question"]).content',
        'ChatOpenAI(model="gpt-4o-mini").with_structured_output(Kind).invoke(state["question"]).kind.value',
    )
    .replace(
        "    class State(",
        """    class Word(Enum):
        LETTER = "letter"
        NUMBER = "number"


    class Kind(BaseModel):
        kind: Word


    class State(""",
    )
    .replace("    from langgraph.graph", "    from pydantic import BaseModel\n    from langgraph.graph")
    .replace("    import operator", "    import operator\n    from enum import Enum")
)
KIND = "- when: {}\n  reply: {json: {kind: letter}}\n"
QUESTION = {"question": "a?", "answers": []}


def test_structured_output_by_a_class_is_asked_for_again_as_it_was(world, monkeypatch):
    """The schema that was sent is that of the class which the suite's graph loads: every part of the request is found again."""
    world.suite('match = "strict"')
    program = world.write("agent.py", STRUCTURED)
    runs = traced_runs(program, QUESTION, KIND, monkeypatch)

    answer = bring_in(world, runs, "--expect", "path")

    assert (answer.code, answer.err) == (0, "")
    assert world.harness("run").code == 0
    assert (world.trial().played, world.trial().unused, world.trial().trace.nodes) == (1, 0, ("classify", "letter"))


@pytest.mark.parametrize(
    ("graph", "why"),
    [
        (
            STRUCTURED.replace('NUMBER = "number"', 'DIGIT = "digit"'),
            "the suite's graph loads no class 'Kind' with the schema that the trace shows",
        ),
        ("    1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero (agent.py:1)"),
    ],
    ids=["changed", "broken"],
)
def test_a_schema_that_is_not_known_is_said(world, monkeypatch, graph, why):
    """Where the graph has another class by now, or cannot be loaded, the line says so, and how the case is found all the same."""
    world.suite('match = "messages"')
    program = world.write("traced_agent.py", STRUCTURED)
    runs = traced_runs(program, QUESTION, KIND, monkeypatch)
    world.write("agent.py", graph)

    answer = bring_in(world, runs)

    assert (answer.code, answer.err.count("\n")) == (0, 1)
    assert "the schema of its answer is not shown as it was sent: " in answer.err
    assert why in answer.err
    assert 'it is found with `match = "messages"` in the suite' in answer.err


def test_an_agent_on_the_responses_api_is_played_again(world, monkeypatch):
    """Calls, their answers and the last text go over the newer API as they did, found by every part of the request."""
    world.suite('match = "strict"')
    program = world.write("agent.py", TOOL_AGENT.replace("max_retries=0", "max_retries=0, use_responses_api=True"))
    runs = traced_runs(program, {"messages": [{"role": "user", "content": "Look 7 up."}]}, TOOL_RULES, monkeypatch)

    answer = bring_in(world, runs, "--expect", "path", "--expect", "tools", "--expect", "text")

    assert (answer.code, answer.err) == (0, "")
    assert world.harness("run").code == 0
    assert (world.trial().played, world.trial().unused, world.trial().trace.text) == (2, 0, "It is seven.")


BUSY = f"- when: {{}}\n  times: 1\n  reply: {{status: 429, text: slow down}}\n{TOOL_RULES}"


def test_a_refused_call_is_refused_again(world, monkeypatch):
    """What the server answered to a call that failed is in the trace: the agent's own second try replays, too."""
    world.suite('match = "strict"')
    program = world.write("agent.py", TOOL_AGENT)
    runs = traced_runs(program, {"messages": [{"role": "user", "content": "Look 7 up."}]}, BUSY, monkeypatch)

    answer = bring_in(world, runs, "--expect", "tools")

    assert (answer.code, answer.out.endswith(": 3 exchanges\n"), answer.err) == (0, True, "")
    assert world.harness("run").code == 0
    assert [call.status for call in world.trial().trace.calls] == [429, 200, 200]
    assert (world.trial().unused, world.trial().trace.text) == (0, "It is seven.")


def test_a_client_that_retries_by_itself_is_said(world, monkeypatch):
    """A trace shows the last of a client's own tries alone, so that its other answers cannot be played."""
    world.suite()
    program = world.write("agent.py", TOOL_AGENT.replace("max_retries=0", "max_retries=1"))
    rules = BUSY.replace("times: 1", "times: 2")
    runs = traced_runs(program, {"messages": [{"role": "user", "content": "Look 7 up."}]}, rules, monkeypatch)

    answer = bring_in(world, runs)

    assert (answer.code, answer.out.endswith(": 3 exchanges\n")) == (0, True)
    assert "a client that retries by itself asks again after status 429, and what it was answered is not in it" in answer.err


def test_tools_are_expected_as_the_trace_shows_them(tools):
    """`--expect tools` takes the calls that were executed, in their order, with their arguments; another call fails the case."""
    assert bring_in(tools, tools.runs, "--expect", "tools").code == 0

    (found,) = cases_in(tools)
    assert found["expected"]["tools"] == {"calls": [{"name": "look", "args": {"number": 7}}]}
    assert tools.harness("run").code == 0
    cassette = next((tools.root / "cassettes" / "agent").iterdir())
    text = cassette.read_text("utf-8")
    cassette.write_text(text.replace('number\\": 7', 'number\\": 8').replace('"number": 7', '"number": 8'), "utf-8")
    assert tools.harness("run").code != 0
