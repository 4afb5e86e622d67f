"""Changes between two cassettes: added, removed and changed exchanges, part by part."""

from exchanges import said
from hypothesis import given
from hypothesis import strategies as st

from harness.cassette.change import changes
from harness.script import ScriptedCall, ScriptedReply


def kinds(before, after):
    """Return what became of which exchange."""
    return [(change.kind, change.before, change.after) for change in changes(before, after)]


def parts(change):
    """Return the names of the parts that differ, of the request and of the answer."""
    return [each.part for each in change.request], [each.part for each in change.answer]


def test_equal_cassettes_have_no_changes():
    """What is the same is not told, in whatever order it stands."""
    one, two = said("a?", "A."), said("b?", "B.")

    assert changes((one, two), (one, two)) == changes((one, two), (two, one)) == ()


def test_what_is_on_one_side_only_is_added_or_removed():
    """An exchange of another endpoint or place has no partner."""
    one, two = said("a?", "A.", place="ask#1:x"), said("b?", "B.", place="judge#2:x")

    assert kinds((one,), (one, two)) == [("added", None, 1)]
    assert kinds((two, one), (one,)) == [("removed", 0, None)]
    assert kinds((one,), (two,)) == [("added", None, 0), ("removed", 0, None)]


def test_a_changed_prompt_names_its_part_and_both_texts():
    """A request that changed is paired by its place; the part that differs is shown from where the texts part."""
    before = said("a?", "A.", system="You sort tickets by team and by haste.", place="ask#1:x")
    after = said("a?", "A.", system="You sort tickets by team and by mood.", place="ask#1:x")

    (change,) = changes((before,), (after,))

    assert parts(change) == (["system"], [])
    assert change.request[0].before.endswith('haste."]')
    assert change.request[0].after.endswith('mood."]')


def test_a_parameter_is_named():
    """Of the sampling parameters those that differ are named."""
    (change,) = changes(
        (said("a?", "A.", settings={"temperature": 0, "seed": 1}),), (said("a?", "A.", settings={"temperature": 1, "seed": 1}),)
    )

    assert parts(change)[0] == ["sampling.temperature"]


def test_a_changed_answer_names_text_calls_and_usage():
    """Of an answer, text, tool calls, usage and how it finished are told apart."""
    called = ScriptedReply(tool_calls=(ScriptedCall(name="lookup", args={"id": 7}),), input_tokens=9)

    (change,) = changes((said("a?", "A."),), (said("a?", called),))

    assert parts(change) == ([], ["text", "tool calls", "usage", "finish reason"])
    assert change.answer[1].after == 'lookup({"id":7})'


def test_an_answer_that_says_the_same_in_other_bytes_is_a_changed_body():
    """A body that differs in nothing that can be read is told by its size."""
    before = said("a?", "A.")
    after = said("a?", "A.")
    response = after.response.__class__(200, after.response.body + b" ", after.response.headers)

    (change,) = changes((before,), (after.__class__(after.request, response, variants=after.variants),))

    assert parts(change) == ([], ["body"])


def test_notes_alone_are_a_kind_of_their_own():
    """An exchange recorded anew with the same answer is `noted`."""
    (change,) = changes((said("a?", "A.", latency_s=0.1),), (said("a?", "A.", latency_s=0.2),))

    assert (change.kind, change.notes) == ("noted", ("latency_s",))


def test_equal_requests_are_paired_by_place_before_order():
    """Of two branches that ask the same each is compared with itself, however they are ordered."""
    left, right = said("a?", "L.", place="ask#1:0"), said("a?", "R.", place="ask#1:1")

    assert changes((left, right), (right, left)) == ()


def test_a_step_that_moved_is_paired_by_its_node():
    """A node inserted before shifts the steps; what is asked is still compared with what the same node asked."""
    assert kinds((said("a?", "A.", place="ask#1:x"),), (said("b?", "B.", place="ask#2:x"),)) == [("changed", 0, 0)]


def test_exchanges_without_a_place_are_paired_by_order():
    """What other tools recorded has no place; requests of one endpoint are compared in their order."""
    before, after = (said("a?", "A."), said("b?", "B.")), (said("c?", "C."), said("b?", "B."), said("d?", "D."))

    assert kinds(before, after) == [("changed", 0, 0), ("added", None, 2)]


def test_a_secret_is_not_shown():
    """A cassette of another tool may hold a secret; its difference does not show it, not even a part of it."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"
    (change,) = changes((said("a?", f"key {key}"),), (said("a?", f"key {key[:-4]}WXYZ"),))

    assert "abcdef" not in str(change.answer)


tapes = st.lists(
    st.builds(said, st.sampled_from("abc"), st.sampled_from("XYZ"), place=st.sampled_from(["ask#1:x", "ask#2:x", None])), max_size=5
)


@given(tapes, tapes)
def test_nothing_is_dropped_or_told_twice(before, after):
    """Every older exchange is removed, changed or the same, every newer one added, changed or the same."""
    found = changes(before, after)
    old, new = (
        [change.before for change in found if change.before is not None],
        [change.after for change in found if change.after is not None],
    )
    same = len(after) - len(new)

    assert len(set(old)) == len(old)
    assert len(set(new)) == len(new)
    assert len(before) - len(old) == same
    assert changes(before, before) == ()
