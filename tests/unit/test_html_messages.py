"""What the HTML report holds of what the models were asked and said: each text once, passing trials cut, all within the limits."""

from typing import Any

import pytest
import reported

from harness.cassette.exchange import Exchange
from harness.experiment import Trial
from harness.report.html import html, messages, transcripts

TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"id": 7}'}}


def kept(*trials: Trial, said: tuple[Exchange, ...]) -> list[Any]:
    """Return what is kept of the calls of each trial, None where it was left out, each text in the place of its number."""
    shelves = transcripts.Transcripts()
    slots = [shelves.add(one, lambda _: said) for one in trials]
    shelves.close()
    shared = reported.unpacked(shelves.texts)
    assert len(shelves.texts) + sum(map(len, shelves.blocks)) <= transcripts.TOTAL_LIMIT
    found = []
    for slot in slots:
        text = shelves.blocks[slot.block] if slot else ""
        block, place = reported.unpacked(text)[slot.place]["talk"] if slot and text else (-1, -1)
        if block < 0 or not shelves.blocks[block]:
            found.append(None)
            continue
        told = reported.unpacked(shelves.blocks[block])[place]
        texts = [*told["texts"], *reversed(shared)]
        found.append([call and [[(label, texts[number]) for label, number in side] for side in call] for call in told["calls"]])
    return found


def test_messages_and_answers_of_each_call_are_told() -> None:
    """The system prompt, every message with its tool calls, and the answer: text, refusal or the body of an error."""
    asked = {"role": "user", "content": "Where is 7?"}
    said = (
        reported.exchange(asked, content="I look it up."),
        reported.exchange(
            asked,
            {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Lost."},
        ),
        reported.exchange(refusal="I may not."),
        reported.exchange(status=502, body=b"<h1>Bad gateway</h1>"),
    )
    (calls,) = kept(reported.heard(*said), said=said)

    system = ("system", "Sort the ticket.")
    assert calls[0] == [[system, ("user", "Where is 7?")], [("text", "I look it up.")]]
    assert [label for label, _ in calls[1][0]] == ["system", "user", "assistant", "tool"]
    assert '"name":"lookup"' in calls[1][0][2][1]
    assert calls[1][0][3][1].startswith("Lost.")
    assert calls[2][1] == [("refusal", "I may not.")]
    assert calls[3][1] == [("error", "<h1>Bad gateway</h1>")]


def test_a_system_prompt_is_kept_once_for_all_trials() -> None:
    """However many trials have a system prompt, it takes the room of one, and each trial has it."""
    said = (reported.exchange({"role": "user", "content": "Hi."}, system="Be brief. " * 50, content="Hi."),)
    shelves = transcripts.Transcripts()
    for number in range(50):
        shelves.add(reported.heard(*said, case=f"case-{number}"), lambda _: said)
    shelves.close()

    assert reported.unpacked(shelves.texts) == ["Be brief. " * 50]
    assert not any("Be brief." in str(reported.unpacked(block)) for block in shelves.blocks)


def test_system_prompts_that_are_too_many_stand_with_their_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts kept once have a limit; a prompt beyond it is told all the same."""
    monkeypatch.setattr(messages, "SHARED_LIMIT", 10)
    said = (reported.exchange(system="short"), reported.exchange(system="too long for it"))
    (calls,) = kept(reported.heard(*said), said=said)

    assert [call[0] for call in calls] == [[("system", "short")], [("system", "too long for it")]]


def test_messages_of_passing_trials_are_cut_and_those_of_others_whole() -> None:
    """A long text and a long list of a passing trial are cut, and by how much is said."""
    said = (reported.exchange(*({"role": "user", "content": f"{number} {'x' * 3000}"} for number in range(120))),)
    passing = kept(reported.heard(*said), said=(reported.exchange({"role": "user", "content": "x" * 3000}),))
    many = (reported.exchange(*({"role": "user", "content": f"{number}"} for number in range(120))),)
    (listed,) = kept(reported.heard(*many), said=many)
    failing = reported.heard(*said).model_copy(update={"outcome": "fail"})

    assert passing[0][0][0][1] == ("user", f"{'x' * 2000}… [1,000 more characters]")
    assert [text for _, text in listed[0][0]] == ["Sort the ticket.", "20 earlier messages", *map(str, range(20, 120))]
    assert [len(text) for _, text in kept(failing, said=said)[0][0][0]][-1] == len(f"119 {'x' * 3000}")
    assert kept(reported.heard(*said), said=said) == [None]


def test_messages_give_way_to_transcripts_and_passing_trials_to_failing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is not room for all, the transcripts and messages of failing trials come first."""
    said = (reported.exchange({"role": "user", "content": "Hello."}, content="Hi."),)
    passing = [reported.heard(*said, case=f"case-{number}") for number in range(300)]
    failing = [one.model_copy(update={"outcome": "fail"}) for one in passing[:3]]
    monkeypatch.setattr(transcripts, "TOTAL_LIMIT", 1_500)

    told = kept(*passing, *failing, said=said)
    assert [one is not None for one in told] == [False] * 300 + [True] * 3


def test_messages_leave_the_bytes_the_same() -> None:
    """Two reports of one experiment with messages are equal."""
    said = (reported.exchange({"role": "user", "content": "Hello."}, content="Hi."),)
    pages = {html(reported.evidence((reported.heard(*said),))._replace(played_of=lambda _: said)) for _ in range(2)}

    assert len(pages) == 1


def test_a_secret_in_a_message_is_not_in_the_report() -> None:
    """What a cassette of another tool left in a message is redacted."""
    key = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5q" * 2
    said = (reported.exchange({"role": "user", "content": f"My key is {key}."}, system=key, content=key),)

    assert key not in str(kept(reported.heard(*said), said=said))
