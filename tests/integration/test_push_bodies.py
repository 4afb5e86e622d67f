"""Every body that a push sends holds to the schemas of the double, which take nothing less, nothing more and nothing else."""

import pytest
from langsmith_double import InProcess
from langsmith_service import play, push

from harness.mirror import Mirror, Part
from harness.sinks.langsmith import LangSmith

OPTIONAL = {"description", "comparative_experiment_id", "feedback_group_id", "tags"}
"""What a body may lack; that a root refers to its example and all others to a parent is checked, too."""

FREE = {"inputs", "outputs", "error", "events"}
"""Parts of a run or example that are the user's own."""

WRONG = [None]
"""What no field may be."""


@pytest.fixture
def calls(world, hub, monkeypatch):
    """Return what a push with a baseline and a comparison sent, to where dataset and experiments are now, but no trace."""
    play(world, cases=2)
    (first,) = (world.root / "reports" / "experiments").iterdir()
    sent, send = [], LangSmith.send
    monkeypatch.setattr(LangSmith, "send", lambda remote, call, **how: sent.append(call) or send(remote, call, **how))
    push(world)
    assert world.harness("run").code == 0
    push(world, "--baseline", "--compare-with", first.name)
    hub.workspace.runs.clear()
    hub.workspace.feedback.clear()
    return list({call.key: call for call in sent if call.method != "GET"}.values())


def _documents(call):
    """Yield the documents of a call, by name, each with what puts another in its place."""
    if call.document is not None:
        yield call.path, call.document, lambda other: call._replace(document=other)
    for number, part in enumerate(call.parts):
        if part.name.rpartition(".")[2] not in FREE:
            yield (
                part.name,
                part.value,
                lambda other, at=number: call._replace(
                    parts=tuple(Part(one.name, other) if here == at else one for here, one in enumerate(call.parts))
                ),
            )


def _answers(hub, changed):
    """Return what was answered to each changed call; nothing of it is held against the push."""
    remote = InProcess(hub.workspace)
    answers = {name: remote.send(call, within_s=60).status for name, call in changed}
    hub.workspace.invalid.clear()
    return answers


def _less(calls):
    for call in (call for call in calls if not call.path.endswith("/query")):  # a question may have any of its fields
        for where, document, put in _documents(call):
            for name in document.keys() - OPTIONAL:
                yield f"{where} without {name}", put({key: value for key, value in document.items() if key != name})


def _more(calls):
    for call in calls:
        for where, document, put in _documents(call):
            yield f"{where} with more", put({**document, "unknown": 1})


def _other(calls):
    for call in calls:
        for where, document, put in _documents(call):
            for name in document:
                yield f"{where} with another {name}", put({**document, name: WRONG})


@pytest.mark.parametrize("change", [_less, _more, _other], ids=["less", "more", "other"])
def test_a_body_that_is_changed_in_one_field_is_refused(calls, hub, change):
    """Of every request and part: without a field, with one more, or with another type in one, it is malformed."""
    answers = _answers(hub, change(calls))

    assert len(answers) > len(calls)
    assert {name: status for name, status in answers.items() if status != 422} == {}


def test_a_body_as_it_was_sent_is_well_formed(calls, hub):
    """It is taken, or conflicts with what is there already."""
    answers = _answers(hub, ((call.key, call) for call in calls))

    assert {call.path: answers[call.key] for call in calls if call.sized} == {"/runs/multipart": 202}
    assert set(answers.values()) == {200, 202, 409}


@pytest.mark.parametrize("change", ["twice", "alone"])
def test_a_form_whose_parts_are_not_those_of_its_runs_is_refused(calls, hub, change):
    """A part that comes twice, and one without the run that it is of."""
    (call, *_) = (call for call in calls if call.sized)
    parts = (*call.parts, call.parts[0]) if change == "twice" else call.parts[1:]

    assert _answers(hub, [("changed", call._replace(parts=parts))]) == {"changed": 422}


def test_a_push_whose_body_is_malformed_is_incomplete_and_noted(world, hub, monkeypatch):
    """The line tells the answer, and a test that looks at nothing else still fails by what the double noted."""
    play(world, cases=1)
    right = Mirror.session_call
    monkeypatch.setattr(Mirror, "session_call", lambda mirror: _with(right(mirror), "trace_tier", "none"))

    answer = world.harness("push")

    assert answer.code == 8
    assert "answered 422: body: $: Additional properties are not allowed ('trace_tier' was unexpected)" in answer.err
    assert hub.workspace.invalid == ["body: $: Additional properties are not allowed ('trace_tier' was unexpected)"]
    hub.workspace.invalid.clear()


def _with(call, name, value):
    return call._replace(document={**call.document, name: value})
