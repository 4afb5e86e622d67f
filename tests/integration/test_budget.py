"""Budgets: a run or a trial stops before it is passed, what was done is kept, and the exit code says so."""

import json

import pytest

AGENT = """
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph


class State(MessagesState):
    rounds: int


def ask(state):
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0, use_responses_api=False)
    SWALLOW
    return {"messages": [model.invoke(state["messages"])], "rounds": state.get("rounds", 0) + 1}


def build():
    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "ask" if state["rounds"] < 3 else END)
    return graph.compile()
"""
RULES = """
- reply: {text: "Go on.", input_tokens: 100, output_tokens: 20}
"""  # 120 tokens, and with the prices below $0.00014, a call
PRICES = """
[prices.gpt-4o-mini]
input = 1.0
output = 2.0
"""


@pytest.fixture
def recorded(world):
    """Return a project of six cases that make three calls each: 360 tokens and $0.00042 a trial."""

    def make():
        world.write("agent.py", AGENT.replace("SWALLOW", ""))
        world.cases(*({"id": f"case-{number}", "inputs": {"messages": [{"role": "user", "content": f"{number}"}]}} for number in range(6)))
        world.suite(tables=PRICES)
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


def kept(world):
    """Return the cases of the newest experiment, in the order of its file."""
    return [trial.case for trial in world.trials()]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("bound", [("--max-cost", "0.0009"), ("--max-tokens", "720")], ids=["dollars", "tokens"])
def test_a_run_stops_before_its_budget_is_passed(recorded, bound, jobs):
    """The run keeps the trials that fit, in dataset order for any number of workers, names the case it stopped before, and exits 7."""
    answer = recorded.harness("run", *bound, "-j", jobs)

    assert answer.code == 7
    assert kept(recorded) == ["case-0", "case-1"]
    assert "4 trials did not run: stopped by the budget before agent 'case-2'" in answer.out
    assert f"{bound[0]} {bound[1]}" in answer.out
    assert "harness run --resume" in answer.err
    assert "stopped" in recorded.harness("list").out
    assert recorded.harness("gate").code == 7
    assert recorded.harness("show").code == 0


def test_a_budget_that_is_just_reached_is_not_passed(recorded):
    """A run that uses exactly what it may is not stopped."""
    assert recorded.harness("run", "--max-tokens", "2160").code == 0
    assert recorded.harness("run", "--max-tokens", "2159").code == 7


def test_nothing_may_be_spent(recorded):
    """With a budget of nothing no trial that costs anything is kept, and that is no pass."""
    answer = recorded.harness("run", "--max-cost", "0", "--json")

    assert answer.code == 7
    assert answer.json["exit_code"] == 7
    assert answer.json["suites"]["agent"]["trials"] == 0


def test_a_stopped_run_goes_on_with_a_larger_budget(recorded):
    """--resume counts what was spent before, goes on, and in the end there is the same as without a stop."""
    recorded.harness("run", "--max-tokens", "720")
    assert recorded.harness("run", "--resume", "latest", "--max-tokens", "1500").code == 7
    assert kept(recorded) == [f"case-{number}" for number in range(4)]

    assert recorded.harness("run", "--resume", "latest").code == 0
    resumed = [trial.to_json() for trial in recorded.trials()]
    recorded.harness("run")

    assert [trial.to_json() for trial in recorded.trials()] == resumed


def test_bounds_over_a_part_of_the_cases_decide_nothing(recorded):
    """A gate's bounds are not held against what a stopped run happens to have."""
    recorded.suite(tables=f'{PRICES}\n[suites.agent.gate]\n"cost_usd.total" = {{ min = 0.002 }}')

    answer = recorded.harness("run", "--max-tokens", "720")

    assert answer.code == 7
    assert "bounds not evaluated: the run was stopped by its budget" in answer.out


def test_a_case_that_failed_before_the_stop_outranks_it(recorded):
    """The most severe code decides: a check that failed is worse than a budget."""
    recorded.suite("limits = { model_calls = 2 }", tables=PRICES)

    assert recorded.harness("run", "--max-tokens", "720").code == 1


def test_an_unknown_price_is_an_error_under_a_bound_in_dollars(recorded):
    """A cost that nobody knows is not taken for nothing; the line names case, model and remedy."""
    for path in (recorded.root / "cassettes/agent").iterdir():
        path.write_text(path.read_text("utf-8").replace("gpt-4o-mini", "house-model"), "utf-8")
    recorded.edit("agent.py", "gpt-4o-mini", "house-model")

    answer = recorded.harness("run", "--max-cost", "1")

    assert (answer.code, answer.out) == (2, "")
    assert "case 'case-0': the cost of 'house-model' is unknown; add it under [prices." in answer.err
    assert recorded.harness("run", "--max-tokens", "100000").code == 0


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        ("tokens = 300", "ask request 3: it would have used 360 tokens, budget.tokens = 300"),
        ("cost_usd = 0.0003", "request 3: it would have cost $0.000420, budget.cost_usd = 0.0003"),
    ],
    ids=["tokens", "dollars"],
)
@pytest.mark.parametrize("swallow", ["", "from contextlib import suppress"], ids=["raised", "swallowed"])
def test_a_trial_stops_before_its_budget_is_passed(recorded, bound, text, swallow):
    """The trial ends at the call that would go over, whatever its graph makes of that; the run goes on and exits 7."""
    recorded.suite(f"budget = {{ {bound} }}", tables=PRICES)
    if swallow:
        recorded.edit(
            "agent.py",
            'return {"messages": [model.invoke(state["messages"])], "rounds": state.get("rounds", 0) + 1}',
            'try:\n        answer = model.invoke(state["messages"])\n    except BaseException:\n        answer = "sorry"\n'
            '    return {"messages": [answer], "rounds": state.get("rounds", 0) + 1}',
        )

    answer = recorded.harness("run")

    assert answer.code == 7
    trial = recorded.trials()[0]
    assert (trial.outcome, [score.name for score in trial.scores]) == ("fail", ["budget"])
    assert text.removeprefix("ask ") in trial.scores[0].reason
    assert trial.trace.total_tokens == 240
    assert len(kept(recorded)) == 6
    assert "6 cases stopped by the budget of a trial" in answer.out


def test_a_budget_that_is_kept_changes_nothing(recorded):
    """A trial within its budget is what it is without one."""
    recorded.harness("run")
    before = [trial.to_json() for trial in recorded.trials()]
    recorded.suite("budget = { tokens = 360, cost_usd = 0.00042 }", tables=PRICES)

    assert recorded.harness("run").code == 0
    assert [trial.to_json() for trial in recorded.trials()] == before


def test_costs_are_told_by_node_model_and_case(recorded):
    """The document, the summary, the table and `show` say where the money went."""
    answer = recorded.harness("run", "--json", "-o", "out.csv")

    costs = answer.json["suites"]["agent"]["costs"]
    assert costs["by_node"] == {"ask": {"calls": 18, "cached": 0, "tokens": 2160, "cost_usd": 0.00252}}
    assert costs["by_model"]["gpt-4o-mini"]["cost_usd"] == 0.00252
    assert costs["dearest"][0] == {"case": "case-0", "repeat": 1, "tokens": 360, "cost_usd": 0.00042}
    (summary,) = (recorded.root / "reports/experiments").glob("*/summary.md")
    assert "| ask | 18 | 0 | 2,160 | $0.002520 |" in summary.read_text("utf-8")
    assert "ask 0.00042,gpt-4o-mini 0.00042" in (recorded.root / "out.csv").read_text("utf-8")
    assert "dearest cases" in recorded.harness("show").out
    assert "$0.000140" in recorded.harness("show", "latest", "case-0").out
    assert json.loads(json.dumps(costs)) == costs
