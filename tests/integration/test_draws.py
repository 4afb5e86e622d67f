"""Draws: several recordings of the same case, each replayed by the repeat of its number."""

import pytest
import yaml

AGENT = """
    from typing import TypedDict

    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict, total=False):
        question: str
        thought: str
        answer: str


    def build(prompts, model="large"):
        llm = ChatOpenAI(model=model, max_tokens=10, max_retries=0)

        def think(state):
            return {"thought": llm.invoke([("system", prompts["think"]), ("user", state["question"])]).content}

        def answer(state):
            return {"answer": llm.invoke([("system", "Answer."), ("user", state["question"])]).content}

        graph = StateGraph(State)
        graph.add_node("think", think)
        graph.add_node("answer", answer)
        graph.add_edge(START, "think")
        graph.add_edge("think", "answer")
        graph.add_edge("answer", END)
        return graph.compile()
"""
SAID = """
- when: {contains: Think}
  reply: {text: "hm", input_tokens: 10, output_tokens: 10}
- when: {contains: Answer}
  reply: {text: "yes", input_tokens: 10, output_tokens: 10}
  times: 1
- when: {contains: Answer}
  reply: {text: "no", input_tokens: 10, output_tokens: 10}
  times: 1
- when: {}
  reply: {text: "yes", input_tokens: 10, output_tokens: 10}
"""
PRICES = '[prices."large"]\ninput = 1000\noutput = 1000\n'


@pytest.fixture
def agent(world):
    """Return a project of one case with two calls; its model says yes, then no, then yes for good."""
    world.write("agent.py", AGENT)
    world.write("prompts/think/v1.md", "Think first.\n")
    world.suite(tables=PRICES)
    world.cases({"id": "one", "inputs": {"question": "really?"}, "expected": {"output": {"state.answer": "yes"}}})
    return world


def cassette(world):
    """Return the interactions of the cassette."""
    return yaml.safe_load((world.root / "cassettes/agent/one.yaml").read_text())["interactions"]


def draws(world):
    """Return the draw of each interaction of the cassette, None where it notes none."""
    return [interaction["harness"].get("draw") for interaction in cassette(world)]


def answers(world):
    """Return the answers of the latest experiment's trials."""
    return [trial.trace.state["answer"] for trial in world.trials()]


def notes(answer):
    """Return the notes of the only suite."""
    return answer.json["suites"]["agent"]["notes"]


def test_each_repeat_replays_the_draw_of_its_number(agent):
    """Three draws are three real recordings; three repeats replay one each, so pass^k is that of the model: 2 of 3 pass."""
    recorded = agent.record(SAID, "--repeat", "3", "--json")
    run = agent.harness("run", "--repeat", "3", "--json")

    assert (recorded.code, recorded.json["total"]["asked"], len(agent.asked)) == (0, 6, 6)
    assert draws(agent) == [None, None, 2, 2, 3, 3]
    assert answers(agent) == ["yes", "no", "yes"]
    assert [trial.draw for trial in agent.trials()] == [1, 2, 3]
    metrics = run.json["suites"]["agent"]["metrics"]
    assert (metrics["pass.rate"], metrics["pass@2"], metrics["pass^2"], metrics["pass^3"]) == (
        pytest.approx(2 / 3),
        1.0,
        pytest.approx(1 / 3),
        0.0,
    )
    assert not [note for note in notes(run) if "more often than recorded" in note]


def test_one_draw_is_written_as_ever(agent):
    """The first draw notes nothing: `--repeat 1` writes what a recording without it does."""
    agent.record(SAID, "--repeat", "1")
    one = [{**each, "harness": sorted(each["harness"])} for each in cassette(agent)]
    again = agent.record(SAID, "--json")

    assert draws(agent) == [None, None]
    assert one[0]["harness"] == ["latency_s", "place", "recorded_at", "variants"]
    assert again.json["total"]["asked"] == 0


def test_more_repeats_than_draws_are_said(agent):
    """Repeats without a recording of their own replay the draws again from the first, and a note says what that is worth."""
    agent.record(SAID, "--repeat", "2")

    run = agent.harness("run", "--repeat", "3", "--json")

    assert answers(agent) == ["yes", "no", "yes"]
    assert [trial.draw for trial in agent.trials()] == [1, 2, 1]
    (note,) = [note for note in notes(run) if "more often than recorded" in note]
    assert "`harness record agent --repeat 3`" in note
    assert "exchanges of draw 1: 2 played" in agent.harness("show", "latest", "one").out


def test_further_draws_are_added_to_what_is_there(agent):
    """`--repeat 2` over a case with one draw asks for the second alone, and leaves the first to the byte."""
    agent.record(SAID)
    before = cassette(agent)

    answer = agent.record(SAID, "--repeat", "2", "--json")

    assert (answer.json["total"]["create"], answer.json["total"]["asked"]) == (2, 2)
    assert (cassette(agent)[:2], draws(agent)) == (before, [None, None, 2, 2])


def test_recording_renews_every_draw_that_is_there(agent):
    """A changed prompt is asked anew in each draw, in place; nothing has to say how many draws there are."""
    agent.record(SAID, "--repeat", "3")
    before = cassette(agent)
    agent.edit("prompts/think/v1.md", "first", "twice")

    answer = agent.record(SAID, "--json")

    after = cassette(agent)
    assert (answer.json["total"]["fix"], answer.json["total"]["asked"]) == (3, 3)
    assert (draws(agent), after[1::2]) == ([None, None, 2, 2, 3, 3], before[1::2])
    assert agent.harness("run", "--repeat", "3").code == 1
    assert [trial.unused for trial in agent.trials()] == [0, 0, 0]


def test_recording_all_anew_keeps_so_many_draws_as_it_says(agent):
    """`--all` records the draws that are there anew, with `--repeat 1` the first alone: the others go."""
    agent.record(SAID, "--repeat", "3")
    same = agent.record(SAID, "--all", "--json")
    assert (same.json["total"]["asked"], same.json["total"]["update"], draws(agent)) == (6, 0, [None, None, 2, 2, 3, 3])

    fewer = agent.record(SAID, "--all", "--repeat", "1", "--json")

    assert (fewer.json["total"]["asked"], fewer.json["total"]["trim"], draws(agent)) == (2, 4, [None, None])


def test_a_recording_that_was_stopped_goes_on_with_its_draws(agent):
    """What the budget stopped in the second draw is finished later, and what was paid for is not asked again."""
    stopped = agent.record(SAID, "--repeat", "2", "--max-cost", "0.07", "--json")
    paid = stopped.json["total"]["asked"]

    rest = agent.record(SAID, "--repeat", "2", "--json")

    assert (stopped.code, rest.code, paid + rest.json["total"]["asked"]) == (7, 0, 4)
    assert 2 <= paid < 4
    assert draws(agent) == [None, None, 2, 2]
    assert not list((agent.root / ".harness").rglob("*.yaml"))


def test_draws_recorded_anew_wait_for_each_other(agent):
    """Where recording all anew stops in the second draw, the old cassette stays whole, and going on asks the rest only."""
    agent.record(SAID, "--repeat", "2")
    before = cassette(agent)

    stopped = agent.record(SAID, "--all", "--max-cost", "0.07", "--json")
    assert (stopped.code, cassette(agent)) == (7, before)
    assert 0 < stopped.json["total"]["asked"] < 4
    rest = agent.record(SAID, "--all", "--json")

    assert (rest.code, stopped.json["total"]["asked"] + rest.json["total"]["asked"]) == (0, 4)


def test_an_interrupted_recording_goes_on_with_the_draws_that_it_began(agent):
    """What was paid of a second draw is not lost where only one is asked for afterwards."""
    agent.record(SAID)
    stopped = agent.record(SAID, "--all", "--repeat", "2", "--max-cost", "0.1", "--json")
    assert (stopped.code, stopped.json["total"]["asked"]) == (7, 3)
    foreseen = agent.harness("record", "--all", "--repeat", "1", "--dry-run", "--json").json["calls"]
    assert [(call["node"], call["draw"]) for call in foreseen] == [("answer", 2)]

    rest = agent.record(SAID, "--all", "--repeat", "1", "--json")

    assert (rest.code, rest.json["total"]["asked"], rest.json["total"]["taken_over"]) == (0, 1, 3)
    assert draws(agent) == [None, None, 2, 2]
    assert not list((agent.root / ".harness").rglob("*.yaml"))


def test_a_dry_run_counts_the_draws(agent):
    """The dry run names the calls of the draws that lack, with the cost of the recorded ones, and sends nothing."""
    agent.record(SAID)

    document = agent.harness("record", "--repeat", "3", "--dry-run", "--json").json

    assert document["total"] == {"calls": 4, "cases": 1, "tokens": 80, "unknown_tokens": 0, "cost_usd": 0.08, "unknown_cost": 0}
    assert [call["draw"] for call in document["calls"]] == [2, 2, 3, 3]
    assert {cause["cause"] for cause in document["causes"]} == {"draw 2 is not recorded", "draw 3 is not recorded"}
    assert agent.harness("record", "--dry-run").out == "nothing would be asked live\n"
    assert ", draw 2, large," in agent.harness("record", "--repeat", "2", "--dry-run").out


def test_a_draw_borrows_nothing_of_another(agent):
    """What is missing in the second draw makes the second repeat stale, though the first draw has an answer to it."""
    agent.record(SAID, "--repeat", "2")
    path = agent.root / "cassettes/agent/one.yaml"
    document = yaml.safe_load(path.read_text())
    del document["interactions"][3]
    path.write_text(yaml.safe_dump(document, sort_keys=False))

    run = agent.harness("run", "--repeat", "2")

    assert [trial.outcome for trial in agent.trials()] == ["pass", "stale"]
    assert run.code == 4
    assert "draw 2 has no answer to it, another draw has" in run.out
    assert agent.record(SAID, "--json").json["total"]["asked"] == 1
    assert agent.harness("run", "--repeat", "2").code == 0


def test_upkeep_knows_draws(agent):
    """Every draw is played by a repeat, so nothing is unused or a copy, though all but one answer are equal; a reader sees the draw."""
    agent.record(SAID, "--repeat", "3")

    check = agent.harness("cassettes", "check")

    assert (check.code, check.out.splitlines()[-1].partition(": ")[2]) == (0, "nothing to mend, 0 warnings")
    assert agent.harness("cassettes", "prune", "--dry-run").out == "nothing to remove\n"
    assert agent.harness("cassettes", "show", "agent", "one").out.count("; draw 3; variants default;") == 2


def test_draws_are_compared_with_their_like(agent):
    """A draw that is new is added, not a change of the first."""
    agent.record(SAID)
    old = agent.write("old.yaml", (agent.root / "cassettes/agent/one.yaml").read_text())
    agent.record(SAID, "--repeat", "2")

    changed = agent.harness("cassettes", "diff", str(old), "cassettes/agent/one.yaml", "--json").json

    assert [changed[kind] for kind in ("added", "removed", "changed", "noted")] == [2, 0, 0, 0]


def test_a_model_that_always_says_the_same_is_said(agent):
    """Draws of a model at temperature 0 are equal, which is no evidence of how steady it is: the recording says so."""
    answer = agent.record("- reply: {text: same}", "--repeat", "3")

    assert answer.code == 0
    assert "the draws of 1 of 1 case say the same: there the repeats are no evidence of a steady model" in answer.out
    assert "say the same" not in agent.record(SAID, "--all", "--repeat", "3").out


def test_a_variant_repeats_the_draws_that_it_has(agent):
    """A variant with one draw repeats that one, while another has two of its own."""
    agent.suite(tables=PRICES + '[suites.agent.variants.small]\nmodel = "small"\n')
    agent.record(SAID, "--repeat", "2")
    agent.record(SAID, "--variant", "small", "--repeat", "1")

    agent.harness("run", "--variant", "default", "--variant", "small", "--repeat", "2")

    found = [(trial.variant, trial.draw, trial.outcome) for trial in agent.trials()]
    assert found == [("default", 1, "pass"), ("default", 2, "fail"), ("small", 1, "pass"), ("small", 1, "pass")]


@pytest.mark.parametrize("number", ["0", "1001", "true", "two"])
def test_a_draw_that_is_no_number_is_refused(agent, number):
    """A cassette with an impossible draw is an error with its line, and is not overwritten."""
    agent.record(SAID, "--repeat", "2")
    agent.edit("cassettes/agent/one.yaml", "draw: 2", f"draw: {number}")

    run, again = agent.harness("run"), agent.record(SAID)

    assert (run.code, again.code, agent.asked) == (2, 2, [])
    assert "not a number from 1 to 1000" in run.err
    assert "cassettes/agent/one.yaml:" in run.err
    assert f"draw: {number}" in (agent.root / "cassettes/agent/one.yaml").read_text()
