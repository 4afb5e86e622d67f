"""Which way a router went."""

import pytest

from harness.checks import route
from harness.checks.route import NOT_REACHED, UNDECIDED
from harness.trace import Crash, Interrupt, NodeStep, Place, Trace


@pytest.fixture
def decided(case, context):
    """Score a router `classify` that should have said `billing`, its key being `category` unless said otherwise."""

    def score(trace, *, wanted="billing", key="category", nodes=()):
        routes = {"classify": key} if key else {}
        (score,) = route.check(case(route={"classify": wanted}), trace, context(routes=routes, nodes=nodes))
        return score

    return score


def test_the_decision_is_read_from_the_routers_update(decided, visited):
    """What the router wrote counts, whatever the final state says later."""
    trace = visited("classify", "team", updates={"classify": {"category": "billing"}}, state={"category": "closed"})
    score = decided(trace)
    assert (score.status, score.name) == ("pass", "route.classify")
    assert score.detail == {"router": "classify", "expected": "billing", "actual": "billing"}


def test_a_wrong_decision_fails_with_both_sides(decided, visited):
    """The reason names expected, actual and where that stands."""
    score = decided(visited("classify", updates={"classify": {"category": "technical"}}))
    assert (score.status, score.value) == ("fail", 0.0)
    assert score.reason == "expected 'billing', got 'technical': node 'classify' wrote it to 'category'"


def test_the_last_visit_decides(decided):
    """A router that corrects itself is right."""
    first, second = (
        NodeStep(place=Place(node="classify", step=n), update={"category": value}) for n, value in ((1, "technical"), (2, "billing"))
    )
    assert decided(Trace(steps=(first, second))).status == "pass"
    assert decided(Trace(steps=(second, first))).status == "fail"


def test_the_final_state_stands_in_for_an_update_without_the_key(decided, visited):
    """A router may write through a reducer or a subgraph."""
    assert decided(visited("classify", state={"category": "billing"})).status == "pass"
    assert decided(visited("classify", state={"category": "sales"})).detail["actual"] == "sales"


def test_a_dotted_key_is_followed_and_its_absence_is_a_wrong_decision(decided, visited):
    """Nested decisions are found; a missing one names the keys that are there."""
    trace = visited("classify", updates={"classify": {"triage": {"category": "billing"}}}, state={"triage": {"other": 1}})
    assert decided(trace, key="triage.category").status == "pass"
    score = decided(trace, key="triage.team")
    assert (score.status, score.detail["actual"]) == ("fail", UNDECIDED)
    assert "final state.triage has no 'team'; it has: other" in score.reason


def test_a_router_that_never_ran_counts_as_wrong(decided, visited):
    """A crash before the router stays in the denominator, and is named."""
    trace = visited("load", ends="error", crash=Crash(type="ValueError", message="bad", node="load"))
    score = decided(trace)
    assert (score.status, score.detail["actual"]) == ("fail", NOT_REACHED)
    assert "never ran; the trial crashed in node 'load' with ValueError: bad" in score.reason


def test_a_misspelt_router_is_told_the_nearest_node(decided, visited):
    """An expectation for a node that the graph lacks says so."""
    score = decided(visited("clasify"), nodes=("clasify", "team"))
    assert "the graph has no such node; did you mean 'clasify'?" in score.reason


def test_a_router_that_raised_has_not_decided(decided):
    """An earlier decision in the state does not count for a visit that raised."""
    step = NodeStep(place=Place(node="classify", step=3), error="TimeoutError: slow")
    score = decided(Trace(steps=(step,), state={"category": "billing"}, ends="error"))
    assert (score.status, score.detail["actual"]) == ("fail", UNDECIDED)
    assert "raised TimeoutError: slow" in score.reason


def test_an_interrupted_router_has_not_decided(decided):
    """A visit that is waiting for a human wrote nothing."""
    step = NodeStep(place=Place(node="classify", step=1), interrupted=True)
    assert decided(Trace(steps=(step,), state={"category": "billing"}, ends="interrupt")).detail["actual"] == UNDECIDED


@pytest.mark.parametrize(("value", "wanted"), [(True, "true"), (3, "3"), (["b", "a"], "a+b"), (["b", "a"], "b+a")])
def test_decisions_that_are_no_text_are_compared_as_json(decided, visited, value, wanted):
    """Lists of names stand for several routes at once, in any order."""
    trace = visited("classify", updates={"classify": {"category": value}})
    assert decided(trace, wanted=wanted).status == "pass"
    assert decided(trace, wanted="other").status == "fail"


def test_next_is_the_node_of_the_following_superstep(decided, visited):
    """`@next` names the node that ran next, parallel ones joined and sorted."""
    assert decided(visited("classify", "billing", "end"), key="@next").status == "pass"
    score = decided(visited("classify", "web|db|db", "end"), key="@next")
    assert (score.status, score.detail["actual"]) == ("fail", "db+web")


def test_next_stays_in_the_routers_own_graph(decided):
    """A router of a subgraph is followed by a node of that subgraph."""
    places = [
        Place(node="classify", step=1, namespace=("sub",)),
        Place(node="noise", step=2),
        Place(node="billing", step=2, namespace=("sub",)),
    ]
    trace = Trace(steps=tuple(NodeStep(place=place) for place in places))
    assert decided(trace, key="@next").status == "pass"


def test_a_subgraphs_router_may_be_named_in_full(case, context, visited):
    """`sub/classify` and `classify` both name the node."""
    trace = visited("sub/classify", updates={"sub/classify": {"category": "billing"}})
    (score,) = route.check(case(route={"sub/classify": "billing"}), trace, context(routes={"sub/classify": "category"}))
    assert score.status == "pass"
    (score,) = route.check(case(route={"sub/classify": "sales"}), trace, context(routes={"sub/classify": "category"}))
    assert score.status == "fail"


def test_nothing_after_the_router_is_the_end_of_the_graph(decided, visited):
    """After the last node comes `__end__`; after a crash comes no decision."""
    assert decided(visited("classify"), key="@next", wanted="__end__").status == "pass"
    assert decided(visited("classify", ends="limit"), key="@next").detail["actual"] == UNDECIDED


def test_a_stop_before_the_next_node_is_a_decision_for_it(decided, visited):
    """A static interrupt names the node that would have run."""
    trace = visited("classify", ends="interrupt", interrupts=(Interrupt(node="billing"),))
    assert decided(trace, key="@next").status == "pass"


def test_an_undeclared_router_is_told_how_to_declare_its_key(decided, visited):
    """The reason suggests the key that holds the expected decision, or a placeholder."""
    trace = visited("classify", "billing_team", updates={"classify": {"category": "billing"}})
    assert 'say `routes.classify = "category"`' in decided(trace, key=None).reason
    assert 'say `routes.classify = "<state key>"`' in decided(trace, key=None, wanted="sales").reason
    assert "say `routes" not in decided(trace, key="@next").reason


def test_no_expectation_gives_no_score(case, context, visited):
    """Only routers of the expectation are scored."""
    assert route.check(case(), visited("classify"), context()) == ()


@pytest.mark.parametrize(
    ("update", "state", "told"),
    [
        ({"category": "billing", "confidence": 0.75}, {"confidence": 0.1}, {"confidence": 0.75}),
        ({"category": "billing"}, {"confidence": 1}, {"confidence": 1.0}),
        ({"category": "billing"}, {}, {}),
        ({"category": "billing", "confidence": 1.5}, {}, {}),
        ({"category": "billing", "confidence": "high"}, {"confidence": 0.2}, {}),
        ({"category": "billing", "confidence": True}, {}, {}),
    ],
    ids=["update", "state", "nowhere", "above one", "no number", "no truth value"],
)
def test_a_confidence_is_told_where_it_is_a_share(case, context, visited, update, state, told):
    """What the config names is read like the decision itself; anything but a number from 0 to 1 is no confidence."""
    trace = visited("classify", updates={"classify": update}, state=state)
    known = context(routes={"classify": "category"}).model_copy(update={"confidence": {"classify": "confidence"}})
    (score,) = route.check(case(route={"classify": "billing"}), trace, known)
    assert {name: value for name, value in score.detail.items() if name == "confidence"} == told
