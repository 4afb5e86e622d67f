"""The reference suite intent_workflow: red for every seeded regression with the right reason, green for a no-op edit."""

import pytest
from regressions import Regression, assert_caught, assert_no_op

WORKFLOW = "graphs/intent_workflow.py"
SOME = ("--filter", "research-002 or code-001 or analysis-001")

DONE = """\
        graph.add_node(f"{name}_done", lambda state: state)
        graph.add_edge(name, f"{name}_done")
        graph.add_edge(f"{name}_done", END)"""

SEEDED = [
    Regression(
        "an edge led astray",
        WORKFLOW,
        (('"code": "code_agent"', '"code": "research_agent"'),),
        frozenset({4}),
        ('"node": "research_agent"', "is stale"),
        SOME,
    ),
    Regression(
        "an agent that answers without its model",
        WORKFLOW,
        (('return {"messages": [chat.invoke([system, request], config)]}', 'return {"messages": [AIMessage("Done.")]}'),),
        frozenset({1}),
        ("model_calls.mean",),
        SOME,
    ),
    Regression(
        "an unreadable intent that does harm",
        WORKFLOW,
        (('if intent in get_args(Intent) else "research"', 'if intent in get_args(Intent) else "code"'),),
        frozenset({4}),
        ('"node": "code_agent"',),
        ("--tag", "label"),
    ),
    Regression(
        "a step more than allowed",
        WORKFLOW,
        (("        graph.add_edge(name, END)", DONE),),
        frozenset({1}),
        ("loops", "steps"),
        SOME,
    ),
    Regression(
        "one word of the classifier's prompt",
        "graphs/prompts/intent/v1.md",
        (("look up", "look out"),),
        frozenset({4}),
        ("prompt intent (v1) edited",),
        SOME,
    ),
    Regression(
        "one word of an agent's prompt",
        "graphs/prompts/code_agent/v1.md",
        (("a few lines", "some lines"),),
        frozenset({4}),
        ("prompt code_agent (v1) edited",),
        SOME,
    ),
    Regression(
        "a choice that has no edge",
        WORKFLOW,
        (('    return agents[state["intent"]]', '    return agents[state["intent"]].removesuffix("_agent")'),),
        frozenset({3}),
        ("KeyError",),
        SOME,
    ),
]


@pytest.mark.parametrize("regression", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, regression):
    """Each edit ends with the right exit code, and the reasons name what is to blame."""
    assert_caught("intent_workflow", regression, tmp_path)


def test_no_op_edits_pass(tmp_path):
    """A renamed local variable changes nothing."""
    assert_no_op(
        "intent_workflow",
        WORKFLOW,
        tmp_path,
        ("text = messages[-1].text.strip()", "said = messages[-1].text.strip()"),
        ("return text[:REQUEST_CHARS]", "return said[:REQUEST_CHARS]"),
    )
