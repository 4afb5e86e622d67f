"""The suite `safe_agent`: it stops at every limit with a sentence, and edits that take a limit away are caught."""

import pytest
from regressions import ROOT, Regression, assert_caught, assert_no_op, copy_of, edit, run, trials

GRAPH = "graphs/safe_agent.py"


def regression(what, *edits, texts, arguments, codes=frozenset({1})):
    """Return an edit that the run has to catch."""
    return Regression(what, GRAPH, edits, codes, texts, arguments)


SEEDED = [
    regression(
        "the iteration limit raised",
        ("max_iterations: int = 5", "max_iterations: int = 6"),
        texts=("6 model calls, limits.model_calls = 5",),
        arguments=("--filter", "runaway-001"),
    ),
    regression(
        "the time limit raised",
        ("time_limit_s: float = 45.0", "time_limit_s: float = 60.0"),
        texts=("took 60 s, limits.duration_s = 45",),
        arguments=("--filter", "time-001"),
    ),
    regression(
        "the model's time-out removed",
        (
            "within(self.budget.left_s(state), lambda: self.chat.invoke(self.asked(state), config))",
            "self.chat.invoke(self.asked(state), config)",
        ),
        (", timeout_s=time_limit_s)", ")"),
        texts=("took 3600 s, limits.duration_s = 45",),
        arguments=("--filter", "time-001"),
    ),
    regression(
        "the tools' time-out removed",
        ("tidied(within(self.tool_time_s(request), lambda: run(request)))", "tidied(run(request))"),
        texts=("limits.duration_s = 10",),
        arguments=("--filter", "tool-hang-001"),
        codes=frozenset({1, 3}),
    ),
    regression(
        "tool validation dropped",
        ("TOOLS, handle_tool_errors=told,", "TOOLS, handle_tool_errors=False,"),
        texts=("ToolInvocationError",),
        arguments=("--filter", "bad_arguments-002"),
        codes=frozenset({3}),
    ),
    regression(
        "unreadable arguments ignored",
        ("bool(message.tool_calls or message.invalid_tool_calls)", "bool(message.tool_calls)"),
        texts=("expected begin → agent → tools → agent → tools → agent",),
        arguments=("--filter", "bad_arguments-001"),
    ),
    regression(
        "what a tool returns is not cut",
        ('text[:LONGEST_OUTPUT] or "(nothing)"', "text"),
        texts=("limits.tokens = 2000",),
        arguments=("--filter", "tool-huge-001"),
    ),
    regression(
        "the recursion limit is not seen coming",
        ('return "steps" if state["remaining_steps"] < STEPS_TO_GO_ON else None', "return None"),
        texts=("recursion limit of 15",),
        arguments=("--variant", "steps_first", "--filter", "steps_first-001"),
    ),
    regression(
        "one tool call too many",
        ("said.tool_calls[:left]", "said.tool_calls[: left + 1]"),
        texts=("21 tool calls, limits.tool_calls = 20",),
        arguments=("--variant", "tool_calls_first", "--filter", "tool_calls_first-002"),
    ),
    regression(
        "a provider's error is let through",
        ("except Exception:  # noqa: BLE001", "except TimeoutError:"),
        texts=("RateLimitError",),
        arguments=("--filter", "model-rate_limit-001"),
        codes=frozenset({3}),
    ),
]


@pytest.mark.parametrize("seeded", SEEDED, ids=str)
def test_a_seeded_regression_is_caught_with_its_reason(tmp_path, seeded):
    """Each edit fails, and the reasons name the limit or the tool that is to blame."""
    assert_caught("safe_agent", seeded, tmp_path)


def test_a_no_op_edit_passes(tmp_path):
    """The order of imports and a renamed local variable change no byte of the trials."""
    assert_no_op(
        "safe_agent",
        GRAPH,
        tmp_path,
        ("import asyncio\nimport re\n", "import re\nimport asyncio\n"),
        ("called, refused = self.affordable(state)", "called, others = self.affordable(state)"),
        ("[*outputs, *refused]", "[*outputs, *others]"),
    )


LINES = {"steps_first": "steps", "iterations_first": "iterations", "tool_calls_first": "tool_calls"}


def test_each_line_of_defence_is_reached_first_in_a_variant():
    """Recursion limit 15, ten iterations and 20 tool calls each end a model that never stops, with an answer."""
    variants = [part for variant in LINES for part in ("--variant", variant)]

    document = run(ROOT, "safe_agent", *variants, "--tag", "line")

    assert document["exit_code"] == 0, document["suites"]
    stopped = {(trial["variant"], trial["trace"]["state"]["stopped_by"]) for trial in trials(ROOT, document)}
    assert stopped == set(LINES.items())


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_the_time_limit_is_hit_exactly(tmp_path, mode):
    """A model that thinks for an hour ends the turn at 45 seconds of virtual time; a hanging tool costs its ten."""
    root = copy_of("safe_agent", tmp_path)
    edit(root, "harness.toml", ("[suites.safe_agent]\n", f'[suites.safe_agent]\nmode = "{mode}"\n'))

    document = run(root, "safe_agent", "--tag", "time")

    assert document["exit_code"] == 0, document["suites"]
    durations = {trial["case"]: trial["trace"]["duration_s"] for trial in trials(root, document)}
    assert [durations[f"time-00{number}"] for number in (1, 2, 3, 4)] == [45.0, 45.0, 40.0, 45.0]
    assert [durations[f"tool-hang-00{number}"] for number in (1, 2, 3)] == [10.0, 10.0, 45.0]
