"""`harness push --compare-with`: two experiments side by side in LangSmith, a pair of outcomes for each trial that both have.

Tests that take `service` run against the double and, where there is a key, against LangSmith itself.
"""

import pytest
from langsmith_service import push


def _first(world):
    """Return the name of the only experiment."""
    (found,) = (world.root / "reports" / "experiments").iterdir()
    return found.name


def test_two_experiments_are_compared_there(served, service):
    """The comparison has a pair of outcomes for each trial; the page shows it, and a second push has nothing to send."""
    first = _first(served)
    (base,) = push(served)
    served.edit("agent.py", '"kind": ChatOpenAI(model="gpt-4o-mini").invoke(state["question"]).content', '"kind": "number"')
    assert served.harness("run").code == 1

    answer = served.harness("push", "--compare-with", first)

    (own,) = (str(one.id) for one in service.experiments() if str(one.id) != base)
    dataset = service.dataset()["id"]
    (comparison,) = service.client.request_with_retries("GET", f"/datasets/{dataset}/comparative").json()
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith(f"?selectedSessions={own}%2C{base}&comparativeExperiment={comparison['id']}\n")
    cases = {run.id: (session, case) for session in (own, base) for case, run in service.roots(session, 6).items()}
    said = service.feedback(12, run_ids=list(cases), comparative_experiment_id=comparison["id"])
    pairs = {}
    for one in said:
        session, case = cases[one.run_id]
        pairs.setdefault((one.feedback_group_id, case), {})[session] = one.score
    assert sorted((case, scores[own], scores[base]) for (_, case), scores in pairs.items()) == [
        *((f"case-{number:03d}", 0, 1) for number in range(4)),
        *((f"case-{number:03d}", 0, 0) for number in (4, 5)),
    ]
    assert "(nothing had to be sent)" in served.harness("push", "--compare-with", first).out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "has no suite 'agent' in LangSmith; push another first, whole"),
        (("--failing",), "--compare-with is for whole experiments"),
    ],
    ids=["not-pushed", "failing"],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_sent(ran, hub, arguments, line):
    """The other experiment has to be there, and both whole."""
    first = _first(ran)
    assert ran.harness("run").code == 1

    answer = ran.harness("push", "--compare-with", first, *arguments)

    assert (answer.code, answer.out) == (2, "")
    assert line in answer.err
    assert hub.workspace.writes == []
