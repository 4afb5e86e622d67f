"""Time travel: the states that a case goes through, and forks of it, all on the cassette."""

import json
import textwrap

import pytest

AGENT = """
    import operator
    from typing import Annotated, TypedDict

    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.types import interrupt


    class State(MessagesState, total=False):
        team: str
        notes: Annotated[list, operator.add]


    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)


    def classify(state):
        return {"team": model.invoke(state["messages"]).text, "notes": ["classified"]}


    def weigh(state):
        return {"notes": ["weighed"]}


    def billing(state):
        return {"messages": [AIMessage(f"Money, {interrupt({'team': 'billing'})}.")]}


    def technical(state):
        return {"messages": [model.invoke(f"A {state['team']} fault of {state['messages'][-1].text}")]}


    def build(checkpointer=None):
        graph = StateGraph(State)
        for node in (classify, weigh, billing, technical):
            graph.add_node(node)
        graph.add_edge(START, "classify")
        graph.add_edge(START, "weigh")
        graph.add_conditional_edges("classify", lambda state: state["team"], ["billing", "technical"])
        graph.add_node("close", lambda state: {"notes": [f"closed by {state['team']}"]})
        graph.add_edge("billing", "close")
        graph.add_edge("technical", "close")
        return graph.compile(checkpointer=checkpointer)
"""
RULES = """
- {when: {contains: fault}, reply: {text: Restart it.}}
- {when: {contains: charged}, reply: {text: billing}}
- {when: {contains: broken}, reply: {text: technical}}
"""
PAID = {
    "id": "paid",
    "inputs": {"messages": [{"role": "user", "content": "I was charged"}]},
    "resume": ["yes"],
    "expected": {"path": {"mode": "superset", "nodes": ["billing"]}},
}
BROKEN = {"id": "broken", "inputs": {"messages": [{"role": "user", "content": "It is broken"}]}}


@pytest.fixture
def tried(world):
    """Return a project whose two cases were recorded and run once."""

    def make():
        world.write("agent.py", textwrap.dedent(AGENT))
        world.suite(tables="[suites.agent.variants.other]")
        world.cases(PAID, BROKEN)
        assert world.record(RULES).code == 0
        assert world.harness("run").code == 0

    world.prepare(make)
    return world


def fork(world, *arguments, code=0, case="paid"):
    """Fork a case and return the document."""
    answer = world.harness("fork", "latest", case, *arguments, "--json")
    assert answer.code == code, answer.out + answer.err
    return answer.json


def test_the_states_of_a_case_are_shown_as_changes(tried):
    """Each superstep stands with the nodes that ran, those that follow, what it changed and what it asked a human."""
    answer = tried.harness("show", "latest", "paid", "--states")

    assert answer.code == 0, answer.err
    assert answer.out == textwrap.dedent("""\
        agent, case 'paid': 4 states

        step 0 (the input), next: classify, weigh
          + messages = [{"content":"I was charged","type":"human"}]
          + notes = []

        step 1 (classify, weigh), next: billing
          + notes.0 = "classified"
          + notes.1 = "weighed"
          + team = "billing"
          interrupt {"team":"billing"}

        step 2 (billing), next: close
          + messages.1 = {"content":"Money, yes.","type":"ai"}

        step 3 (close), next: nothing
          + notes.2 = "closed by billing"
        """)


def test_whole_states_and_a_document_are_shown_on_request(tried):
    """--whole shows every key of every state; --json gives the same to a program."""
    whole = tried.harness("show", "latest", "paid", "--states", "--whole").out
    document = tried.harness("show", "latest", "paid", "--states", "--json").json

    assert whole.count('team = "billing"') == 3
    assert [(state["step"], state["after"], state["next"]) for state in document["states"]] == [
        (0, [], ["classify", "weigh"]),
        (1, ["classify", "weigh"], ["billing"]),
        (2, ["billing"], ["close"]),
        (3, ["close"], []),
    ]
    assert document["states"][3]["state"] == tried.trials()[0].trace.state
    assert document["notes"] == []


def test_a_fork_goes_where_the_edited_state_leads(tried):
    """The edge after the superstep decides again, requests are played from the cassette, and what differs is told."""
    before = tried.trials()

    document = fork(tried, "--at", "1", "--set", "team=technical", "--set", "messages.0.content=It is broken", case="broken")
    assert (document["path"], document["path_before"]) == (["technical", "close"], ["technical", "close"])
    assert document["differs"] == []

    document = fork(tried, "--at", "1", "--set", "team=billing", case="broken")
    assert (document["path"], document["ends"], document["ends_before"]) == (["billing"], "interrupt", "answer")
    assert {change["path"] for change in document["differs"]} == {"messages.1", "notes.2", "team"}
    assert tried.trials() == before


def test_a_fork_is_shown(tried):
    """Path before and now, what differs and the final state, for people."""
    answer = tried.harness("fork", "latest", "paid", "--at", "2", "--set", "team=technical", "--set", "messages.-1.content=Later.")

    assert answer.code == 0
    assert answer.out == textwrap.dedent("""\
        agent, case 'paid', forked after step 2 (billing): team = "technical", messages.-1.content =
        "Later."

        path before: close, ended as answer
        path now:    close, ended as answer

        what differs in the final state
          ~ messages.1.content = "Later.", was "Money, yes."
          ~ notes.2 = "closed by technical", was "closed by billing"
          ~ team = "technical", was "billing"

        final state
          messages = [{"content":"I was charged","type":"human"},{"content":"Later.","type":"ai"}]
          team = "technical"
          notes = ["classified","weighed","closed by technical"]
        """)


def test_a_reducer_does_not_add_what_is_set(tried):
    """A list is replaced whole; messages may be written as JSON."""
    document = fork(tried, "--at", "2", "--set", 'notes=["mine"]', "--set", 'messages=[{"role": "user", "content": "Hello"}]')

    assert document["state"]["notes"] == ["mine", "closed by billing"]
    assert document["state"]["messages"] == [{"content": "Hello", "type": "human"}]


def test_the_answers_that_are_left_resume_a_fork(tried):
    """A case that stops for a human after the fork is resumed as in its trial."""
    document = fork(tried, "--at", "0", "--set", "notes=[1]")

    assert document["state"]["notes"] == [1, "classified", "weighed", "closed by billing"]
    assert document["state"]["messages"][1]["content"] == "Money, yes."


def test_the_last_state_can_be_edited(tried):
    """After the last superstep nothing follows; the edited state is the final one."""
    document = fork(tried, "--at", "3", "--set", "team=nobody")

    assert (document["path"], document["state"]["team"]) == ([], "nobody")


def test_a_request_that_is_not_on_the_cassette_is_stale(tried):
    """It ends with 4, names the request and what differs, and shows no final state."""
    answer = tried.harness("fork", "latest", "paid", "--at", "1", "--set", "team=technical")

    assert answer.code == 4
    assert "path now:    technical, stale: it asks what no recorded trial asked" in answer.out
    assert "node 'technical'" in answer.out
    assert "a fork is not recorded" in answer.out
    assert "final state" not in answer.out


def test_an_answer_that_was_played_before_the_fork_is_not_played_again(tried):
    """The requests of the supersteps before the fork are spent; those after it are there."""
    tried.edit("agent.py", 'graph.add_edge("technical", "close")', 'graph.add_edge("technical", "classify")')
    tried.edit(
        "agent.py",
        "def classify(state):\n",
        'def classify(state):\n    if len(state["messages"]) > 1:\n        state = {"messages": state["messages"][:1]}\n',
    )

    answer = tried.harness("fork", "latest", "broken", "--at", "1", "--set", "notes=[]")

    assert answer.code == 4
    assert "every recorded answer to this request is already played" in " ".join(answer.out.split())


def test_a_fork_that_crashes_ends_with_3(tried):
    """The exception is told, as in a trial."""
    answer = tried.harness("fork", "latest", "broken", "--at", "1", "--set", "team=nobody")

    assert answer.code == 3
    assert "ended as error (KeyError" in answer.out or "ended as error (ValueError" in answer.out


def test_what_changed_since_the_experiment_is_said(tried):
    """What is shown is how the case runs now: a changed dataset, graph or node is named."""
    tried.edit("datasets/agent.jsonl", '"yes"', '"no"')
    tried.edit("agent.py", 'graph.add_edge("billing", "close")', "pass")

    answer = tried.harness("show", "latest", "paid", "--states", "--json")

    assert answer.json["notes"] == [
        "changed since the experiment: the dataset, the graph's nodes or edges; what is shown is how it runs now",
        (
            "it does not run as in the experiment: classify, weigh, billing, close, ended as answer; "
            "now classify, weigh, billing, ended as answer"
        ),
    ]


def test_a_node_that_changed_is_noticed_by_what_it_writes(tried):
    """The code of nodes is not part of an experiment's provenance; their outcome is."""
    tried.edit("agent.py", "closed by", "ended by")

    answer = tried.harness("show", "latest", "paid", "--states")

    assert 'note: it does not end as in the experiment: notes.2 is "ended by billing", it was "closed by billing"' in " ".join(
        answer.out.split()
    )


def test_states_of_a_stale_case_end_where_it_misses(tried):
    """They are shown up to the request that is not on the cassette, which is named."""
    tried.edit("agent.py", "fault of", "defect of")

    answer = tried.harness("show", "latest", "broken", "--states", "--json")

    assert [state["step"] for state in answer.json["states"]] == [0, 1]
    assert answer.json["notes"][0].startswith("the states end early: node 'technical'")


STATIC = 'graph.compile(checkpointer=checkpointer, interrupt_before=["close"])'


def test_a_static_interrupt_still_stops_a_fork(tried):
    """A fork right before the stop waits there for the case's answer, as the trial did."""
    tried.edit("agent.py", "graph.compile(checkpointer=checkpointer)", STATIC)
    tried.cases({**PAID, "resume": ["yes", None]}, BROKEN)
    assert tried.harness("run").code == 1  # `broken` waits

    document = fork(tried, "--at", "2", "--set", "team=technical")
    waiting = fork(tried, "--at", "2", "--set", "team=billing", case="broken")

    assert (document["path"], document["ends"]) == (["close"], "answer")
    assert (waiting["path"], waiting["ends"]) == ([], "interrupt")


def test_a_graph_with_async_nodes_is_forked(tried):
    """What has no synchronous form is run in its asynchronous one."""
    tried.edit("agent.py", "def technical(state)", "async def technical(state)")
    tried.edit("agent.py", "[model.invoke(f", "[await model.ainvoke(f")

    document = fork(tried, "--at", "1", "--set", 'notes=["mine"]', case="broken")

    assert document["state"]["notes"] == ["mine", "closed by technical"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fork", "latest", "pain", "--at", "1", "--set", "a=1"), "has no case 'pain'; did you mean 'paid'?"),
        (("fork", "latest", "paid", "--at", "9", "--set", "team=1"), "case 'paid' has no step 9 to fork from; it has 0 (the input) to 3"),
        (("fork", "latest", "paid", "--at", "1", "--set", "tea=1"), "--set tea: the state has no 'tea'; did you mean 'team'?"),
        (("fork", "latest", "paid", "--at", "1", "--set", "messages.5.content=x"), "--set messages.5.content: there is no '5' in a list"),
        (("fork", "latest", "paid", "--at", "1", "--set", "team.x.y=1"), "--set team.x.y: there is no 'x' in a str"),
        (
            ("fork", "latest", "paid", "--at", "1", "--set", "team"),
            "--set 'team': write key=value, or key.inner=value for a place inside of it",
        ),
        (("fork", "latest", "paid", "--at", "1", "--set", "notes=[1"), "--set 'notes=[1': the value is not JSON"),
        (("fork", "latest", "paid", "--at", "1"), "Missing option '--set'"),
        (("fork", "latest", "paid", "--at", "-1", "--set", "team=1"), "Invalid value for '--at'"),
        (
            ("fork", "latest", "paid", "--at", "1", "--set", "team=1", "--suite", "b"),
            "case 'paid' was not run there; it was run in agent@default",
        ),
        (("show", "latest", "pain", "--states"), "has no case 'pain'; did you mean 'paid'?"),
        (("show", "--states"), "--states, --play, --whole, --suite and --variant want a CASE after the experiment"),
        (("show", "latest", "paid", "--states", "--play"), "--states and --play exclude each other"),
        (("show", "latest", "paid", "--speed", "2"), "--speed is for --play"),
        (("show", "latest", "paid", "--json"), "--json is for --states"),
    ],
)
def test_bad_input_ends_as_one_line(tried, arguments, message):
    """It says what is wrong and what there is, and ends with 2."""
    answer = tried.harness(*arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_graph_without_a_checkpointer_is_refused(tried):
    """Its states are not kept; the remedy is named."""
    tried.edit("agent.py", "build(checkpointer=None)", "build()")
    tried.edit("agent.py", "compile(checkpointer=checkpointer)", "compile()")
    message = "harness: harness.toml: suites.agent.graph: it takes no checkpointer, so its states are not kept; let the factory take one\n"

    for arguments in (("show", "latest", "broken", "--states"), ("fork", "latest", "broken", "--at", "1", "--set", "team=1")):
        answer = tried.harness(*arguments)
        assert (answer.code, answer.err) == (2, message)


def test_a_case_of_several_variants_has_to_be_named(tried):
    """The variants are named, and --variant chooses."""
    assert tried.harness("run", "--variant", "default", "--variant", "other").code == 0

    answer = tried.harness("show", "latest", "paid", "--states")

    assert answer.code == 2
    assert answer.err == "harness: case 'paid' was run in agent@default, agent@other; say which with --suite and --variant\n"
    chosen = tried.harness("show", "latest", "paid", "--states", "--variant", "other", "--json")
    assert json.loads(chosen.out)["variant"] == "other"


def test_a_case_that_is_gone_is_told(tried):
    """An experiment may be older than the dataset."""
    tried.cases(BROKEN)

    answer = tried.harness("show", "latest", "paid", "--states")

    assert (answer.code, answer.err) == (2, "harness: case 'paid' is no longer in datasets/agent.jsonl\n")
