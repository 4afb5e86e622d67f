"""Going round in circles."""

import pytest

from harness.checks import loops
from harness.trace import NodeStep, Place, ToolCall, Trace


@pytest.fixture
def scored(case, context):
    """Score a trace under limits."""

    def score(trace, **limits):
        (score,) = loops.check(case(), trace, context(**limits))
        return score

    return score


def tool(name="find", **args):
    """Return one execution."""
    return ToolCall(place=Place(node="act", step=1), name=name, args=args)


def again(*digests, field="state_digest", parallel=False):
    """Return visits of one node with these digests, in one superstep each or in parallel."""
    places = [Place(node="act", step=1 if parallel else n, path=str(n) if parallel else "") for n in range(1, len(digests) + 1)]
    return Trace(steps=tuple(NodeStep(place=place, **{field: digest}) for place, digest in zip(places, digests, strict=True)))


def test_counts_are_reported_without_any_limit(scored, visited):
    """The value is the supersteps; the detail shows visits and what is left to the recursion limit."""
    score = scored(visited("plan", "act", "plan", recursion_limit=10))
    assert (score.status, score.value) == ("pass", 3.0)
    assert score.detail["visits"] == {"plan": 2, "act": 1}
    assert (score.detail["recursion_limit"], score.detail["headroom"]) == (10, 7)


@pytest.mark.parametrize(("bound", "status"), [(3, "pass"), (2, "fail")])
def test_reaching_a_bound_is_fine_and_passing_it_is_not(scored, visited, call, bound, status):
    """Steps, tool calls and model calls may be as many as the bound."""
    trace = Trace(steps=visited("a", "b", "c").steps, tools=(tool(), tool(x=1), tool(x=2)), calls=(call(), call(), call()))
    for name in ("steps", "tool_calls", "model_calls"):
        score = scored(trace, **{name: bound})
        assert (name, score.status) == (name, status)
        assert (f"limits.{name} = 2" in score.reason) == (status == "fail")


def test_too_many_visits_name_the_node_and_when(scored, visited):
    """A failing visit bound says which node was visited how often, in which supersteps."""
    score = scored(visited("plan", "act", "plan", "act", "plan"), visits={"plan": 2, "act": 2})
    assert score.status == "fail"
    assert score.reason == "node 'plan' was visited 3 times (steps 1, 3, 5), limits.visits.plan = 2"


def test_visits_of_a_subgraphs_node_are_bounded_by_either_name(scored, visited):
    """`inner` and `sub/inner` name the same visits."""
    trace = visited("sub/inner", "sub/inner")
    assert [scored(trace, visits={name: 1}).status for name in ("inner", "sub/inner")] == ["fail", "fail"]


def test_all_passed_bounds_are_in_the_reason(scored, visited):
    """One score tells of everything."""
    score = scored(visited("a", "a"), steps=1, visits={"a": 1})
    assert score.reason.count("limits.") == 2


def test_a_limit_on_a_node_that_the_graph_lacks_is_unscored(case, context, visited):
    """A bound that binds nothing is no pass."""
    _, lost = loops.check(case(), visited("research"), context(nodes=("research",), visits={"reserch": 3}))
    assert (lost.status, lost.name) == ("unscored", "loops.visits.reserch")
    assert "did you mean 'research'?" in lost.reason


def test_a_limit_on_a_node_not_visited_passes(case, context, visited):
    """A node of the graph, or of a subgraph, may stay unvisited."""
    scores = loops.check(case(), visited("a"), context(nodes=("a", "b", "sub/c"), visits={"b": 1, "c": 1}))
    assert [score.status for score in scores] == ["pass"]


def test_repeated_calls_only_report_unless_bounded(scored):
    """The same tool with the same arguments again is a signal; the order of arguments does not matter."""
    trace = Trace(tools=(tool(a=1, b=2), tool(b=2, a=1), tool(a=1), tool("other", a=1)))
    score = scored(trace)
    assert score.status == "pass"
    assert score.detail["repeated_calls"] == {'find({"a": 1, "b": 2})': 1}
    assert "1 repeated tool calls" in score.reason
    assert scored(trace, repeated_calls=1).status == "pass"
    assert scored(trace, repeated_calls=0).status == "fail"


def test_repeated_states_are_entries_with_a_state_seen_before(scored):
    """A node entered again with an old state is going in circles, even after other states."""
    trace = again("s1", "s2", "s1", "s1")
    assert scored(trace).detail["repeated_states"] == {"act": 2}
    assert scored(trace, repeated_states=2).status == "pass"
    assert "2 repeated states (act +2), limits.repeated_states = 1" in scored(trace, repeated_states=1).reason


def test_no_progress_is_the_same_update_twice_running(scored):
    """Only consecutive visits count."""
    trace = again("u1", "u2", "u1", "u1", field="update_digest")
    assert scored(trace).detail["no_progress"] == {"act": 1}
    assert scored(trace, no_progress=1).status == "pass"
    assert "1 visit without progress (act +1), limits.no_progress = 0" in scored(trace, no_progress=0).reason


@pytest.mark.parametrize("field", ["state_digest", "update_digest"])
def test_parallel_branches_are_no_loop(scored, field):
    """Branches of one superstep may start from, and write, the same."""
    detail = scored(again("d", "d", "d", field=field, parallel=True)).detail
    assert (detail["repeated_states"], detail["no_progress"]) == ({}, {})


@pytest.mark.parametrize("bound", ["repeated_states", "no_progress"])
def test_a_bound_on_what_the_trace_cannot_show_is_unscored(scored, visited, bound):
    """Without digests nothing is known of repetition, unless another bound fails anyway."""
    score = scored(visited("a", "a"), **{bound: 0})
    assert (score.status, score.value) == ("unscored", None)
    assert f"limits.{bound} cannot be checked" in score.reason
    assert scored(visited("a", "a"), **{bound: 0}, steps=1).status == "fail"
    assert scored(visited("a", "b"), **{bound: 0}).status == "pass"


def test_an_empty_trace_has_no_loops(scored):
    """Nothing ran: nothing looped, and the limit is not known."""
    score = scored(Trace(), steps=0, visits={"a": 0})
    assert (score.status, score.detail["headroom"]) == ("pass", None)


def test_requests_asked_again_in_vain_are_bounded(scored, call):
    """The same model asked again after an error that does not pass by itself is counted; after a rate limit it is not."""
    trace = Trace(calls=(call(status=401), call(status=401), call(status=429), call()))
    score = scored(trace, vain_retries=0)
    assert score.status == "fail"
    assert score.reason == "2 requests asked again in vain (gpt-4o after 401 +2), limits.vain_retries = 0"
    assert scored(trace, vain_retries=2).status == "pass"
    assert scored(Trace(calls=(call(status=401), call("backup"))), vain_retries=0).status == "pass"
