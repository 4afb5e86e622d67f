"""What was spent: by node, by model, by case."""

from itertools import permutations

from harness.experiment import Trial
from harness.ledger import OUTSIDE, ledger_of
from harness.trace import CachedAnswer, NodeStep, Place, Trace, Usage, WireCall


def call(node, model, cost_usd, tokens=10, **fields):
    """Return a paid call."""
    usage = None if tokens is None else Usage(input_tokens=tokens)
    place = Place(node=node, step=1)
    return WireCall(
        place=place, kind="chat", source="replay", url="https://x/v1", model=model, status=200, usage=usage, cost_usd=cost_usd, **fields
    )


def trial(case, *calls, **fields):
    """Return a trial of these calls."""
    return Trial(suite="s", variant="default", case=case, outcome="pass", trace=Trace(calls=calls, **fields))


def test_spending_is_added_up_by_node_and_by_model():
    """Each paid call counts once under its node and once under the model that was asked."""
    ledger = ledger_of([trial("a", call("x", "m", 0.1), call("y", "n", 0.2)), trial("b", call("x", "n", 0.3), call(None, "m", 0.5))])

    assert {name: (spent.calls, spent.tokens, spent.cost_usd) for name, spent in ledger.by_node.items()} == {
        "x": (2, 20, 0.4),
        "y": (1, 10, 0.2),
        OUTSIDE: (1, 10, 0.5),
    }
    assert {name: spent.cost_usd for name, spent in ledger.by_model.items()} == {"m": 0.6, "n": 0.5}


def test_what_is_unknown_makes_its_sum_unknown_and_no_other():
    """A call without a price or without usage leaves the sums of its node and model unknown, never smaller."""
    ledger = ledger_of([trial("a", call("x", "m", None), call("y", "m", 0.2), call("z", "n", None, tokens=None))])

    assert [ledger.by_node[name].cost_usd for name in "xyz"] == [None, 0.2, None]
    assert [ledger.by_node[name].tokens for name in "xyz"] == [10, 10, None]
    assert ledger.by_model["m"].cost_usd is None


def test_an_answer_from_a_cache_is_counted_apart_and_costs_nothing():
    """Cached answers of models and cached visits of nodes are seen beside the calls."""
    cached = CachedAnswer(place=Place(node="x", step=2), model="m", usage=Usage(input_tokens=10))
    step = NodeStep(place=Place(node="y", step=3), cached=True)

    ledger = ledger_of([trial("a", call("x", "m", 0.1), cached=(cached,), steps=(step,))])

    assert (ledger.by_node["x"].calls, ledger.by_node["x"].cached, ledger.by_node["x"].cost_usd) == (1, 1, 0.1)
    assert (ledger.by_node["y"].calls, ledger.by_node["y"].cached, ledger.by_node["y"].cost_usd) == (0, 1, 0.0)
    assert ledger.by_model["m"].cached == 1


def test_the_dearest_cases_come_first_and_free_ones_not_at_all():
    """The ten dearest trials are kept, whatever the order in which they are counted."""
    trials = [trial(f"case-{cents:02d}", call("x", "m", cents / 100)) for cents in range(13)]

    assert [spent.case for spent in ledger_of(trials).dearest] == [f"case-{cents:02d}" for cents in range(12, 2, -1)]
    assert [spent.case for spent in ledger_of(trials[:2]).dearest] == ["case-01"]


def test_the_order_of_trials_changes_no_digit():
    """Sums of dollars are exact, so that they do not depend on the order."""
    trials = [trial(name, call("x", "m", cost)) for name, cost in (("a", 0.1), ("b", 1e-12), ("c", 0.7), ("d", 3e-7))]

    assert {ledger_of(order).by_node["x"].cost_usd for order in permutations(trials)} == {0.800000300001}
