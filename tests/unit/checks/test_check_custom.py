"""The user's own evaluators."""

import asyncio
import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from harness.checks import adapt, run_checks
from harness.dataset import Case, Expected
from harness.errors import ConfigError
from harness.score import passed
from harness.trace import Trace

CASE = Case(id="c", inputs={"q": 1}, expected=Expected(reference={"a": 2}))
TRACE = Trace(state={"messages": ["hi"]}, text="hi")


@pytest.fixture
def scores(context):
    """Adapt an evaluator that returns a value."""
    return lambda returned: adapt("tone", lambda outputs: returned)(CASE, TRACE, context())


@pytest.mark.parametrize(
    ("returned", "status", "value"),
    [
        (True, "pass", 1.0),
        (False, "fail", 0.0),
        (1, "pass", 1.0),
        (0.99, "fail", 0.99),
        (7, "pass", 7.0),
        (None, "unscored", None),
        (math.nan, "unscored", None),
        (math.inf, "unscored", None),
        ("good", "unscored", None),
        (np.bool_(True), "pass", 1.0),  # noqa: FBT003
        (np.float32(0.5), "fail", 0.5),
        ({"score": 0.4, "passed": True}, "pass", 0.4),
        ({"score": 1.0, "passed": False}, "fail", 1.0),
        ({"score": None, "passed": True}, "unscored", None),
        ({"key": "tone", "value": "warm"}, "unscored", None),
        ({}, "unscored", None),
        ([], "unscored", None),
        ({"results": []}, "unscored", None),
        (SimpleNamespace(key="tone", score=True, comment=None), "pass", 1.0),
    ],
)
def test_what_an_evaluator_may_return(scores, returned, status, value):
    """Booleans, numbers, mappings, LangSmith's objects; what is no score is unscored."""
    (score,) = scores(returned)
    assert (score.check, score.name, score.status, score.value) == ("tone", "tone", status, value)
    assert score.reason or status == "pass"


def test_several_scores_keep_their_keys(scores):
    """A list, or `results`, gives one score each; keys are appended to the check's name."""
    returned = [{"key": "warm", "score": 1, "comment": "very"}, {"key": "brief", "score": 0}, True]
    for form in (returned, tuple(returned), {"results": returned}):
        found = scores(form)
        assert [score.name for score in found] == ["tone.warm", "tone.brief", "tone.3"]
        assert [score.status for score in found] == ["pass", "fail", "pass"]
        assert found[0].reason == "very"


def test_our_own_score_is_kept(scores):
    """A score is returned as it is."""
    mine = passed("tone", "tone.mine", 0.3)
    assert scores(mine) == (mine,)


def test_arguments_go_by_name(context):
    """Any subset of the known names is passed; other parameters keep their defaults."""
    seen = []

    def langsmith(inputs, outputs, reference_outputs, threshold=0.5, **kwargs):
        seen.append((inputs, outputs, reference_outputs, threshold, kwargs))
        return True

    def agentevals(*, outputs, reference_outputs, **kwargs):
        seen.append((outputs, reference_outputs, kwargs))
        return True

    def ours(case, trace):
        return (case, trace) == (CASE, TRACE)

    def positional(trace, case, /, context):
        return trace is TRACE and case is CASE and context is not None

    class Judge:
        def __call__(self, *, outputs):
            return outputs == {"messages": ["hi"]}

    partial = functools.partial(lambda limit, outputs: limit == 3 and bool(outputs), 3)
    for function in (langsmith, agentevals, ours, positional, Judge(), partial):
        (score,) = adapt("x", function)(CASE, TRACE, context())
        assert score.status == "pass"
    assert seen == [({"q": 1}, {"messages": ["hi"]}, {"a": 2}, 0.5, {}), ({"messages": ["hi"]}, {"a": 2}, {})]


def test_a_bare_kwargs_takes_langsmiths_names(context):
    """A wrapper that passes everything on gets the three names."""
    names = []
    adapt("x", lambda **kwargs: names.extend(sorted(kwargs)))(CASE, TRACE, context())
    assert names == ["inputs", "outputs", "reference_outputs"]


@pytest.mark.parametrize(("state", "outputs"), [(None, {}), ("hi", {"output": "hi"}), ({"a": 1}, {"a": 1})])
def test_outputs_are_always_a_mapping(context, state, outputs):
    """As LangSmith has it."""
    (score,) = adapt("x", lambda outputs, want=outputs: outputs == want)(CASE, Trace(state=state), context())
    assert score.status == "pass"


def test_without_a_reference_the_expectations_are_it(context):
    """What is left at its default is left out."""
    case = Case(id="c", inputs={}, expected=Expected(route={"r": "a"}))
    (score,) = adapt("x", lambda reference_outputs: reference_outputs == {"route": {"r": "a"}})(case, TRACE, context())
    assert score.status == "pass"


def test_an_evaluator_cannot_change_what_is_stored(context):
    """It works on copies."""
    adapt("x", lambda inputs, outputs, reference_outputs: [part.clear() for part in (inputs, outputs, reference_outputs)])(
        CASE, TRACE, context()
    )
    assert (CASE.inputs, TRACE.state, CASE.expected.reference) == ({"q": 1}, {"messages": ["hi"]}, {"a": 2})


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda run, example: True, "the parameter 'run' is not known"),
        (lambda: True, "takes none of the parameters"),
        (lambda *args: True, "takes none of the parameters"),
        (lambda threshold=1: True, "takes none of the parameters"),
        (3, "not a callable"),
    ],
)
def test_an_unknown_signature_is_refused_at_once(function, said):
    """The error names the check and what it may take."""
    with pytest.raises(ConfigError, match="check 'my:tone'") as refused:
        adapt("my:tone", function)
    assert said in str(refused.value)
    assert "inputs, outputs, reference_outputs" in str(refused.value)


async def judge(outputs):
    """Judge asynchronously."""
    await asyncio.sleep(0)
    return bool(outputs)


def test_an_asynchronous_evaluator_is_awaited(context):
    """It runs in an event loop of its own."""
    (score,) = adapt("x", judge)(CASE, TRACE, context())
    assert score.status == "pass"
    (score,) = adapt("x", judge)(CASE, Trace(), context())
    assert score.status == "fail"


def test_an_asynchronous_evaluator_inside_a_running_loop_is_unscored(context):
    """It says why, and leaves no coroutine behind."""

    async def inside():
        return run_checks(CASE, TRACE, context(), {"x": adapt("x", judge)})

    _, score = asyncio.run(inside())
    assert score.status == "unscored"
    assert "inside a running event loop" in score.reason
