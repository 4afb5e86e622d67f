"""What a recording makes of a cassette: create, fix, trim, update; all else stays where it is."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.renewal import added, anew


def exchange(text="a", answer="x", place="ask#1:", variants=("default",), path="/v1/chat/completions", **fields):
    """Return an exchange that asks a text and is answered."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return Exchange(
        Request("POST", f"https://h{path}", json.dumps(body).encode()),
        Response(200, json.dumps({"id": f"id-{answer}-{len(variants)}", "object": "chat.completion", "choices": answer}).encode()),
        place=place,
        variants=variants,
    )


A, B, C = exchange("what is a"), exchange("what is b", place="check#2:"), exchange("what is c", place="check#2:")


def test_what_is_new_stands_at_the_end():
    """A request that nothing stood for before is created."""
    renewal = added((A,), (B,), {"default": frozenset({0, 1})})
    assert (renewal.exchanges, renewal.changes) == ((A, B), ("create",))


def test_a_new_form_stands_in_the_place_of_the_old():
    """The exchange that the variant no longer asks at that place is replaced where it stood."""
    new = exchange("what is A")
    renewal = added((A, B), (new,), {"default": frozenset({1, 2})})
    assert (renewal.exchanges, renewal.changes) == ((new, B), ("fix",))


def test_the_nearest_is_replaced():
    """Of several that went stale at one place, the most alike is the old form."""
    one, two = exchange("the first question of all", place="p"), exchange("something else entirely", place="p")
    new = exchange("something else altogether", place="p")
    assert added((one, two), (new,), {"default": frozenset({2})}).exchanges == (one, new)


@pytest.mark.parametrize(
    "old",
    [
        exchange("what is a", place="other#1:"),
        exchange("what is a", path="/v2/chat/completions"),
        exchange("what is a", variants=("other",)),
    ],
    ids=["another place", "another endpoint", "another variant"],
)
def test_what_is_no_old_form_stays(old):
    """Another place, endpoint or variant is no old form of the request."""
    new = exchange("what is A")
    assert added((old,), (new,), {"default": frozenset({1})}).exchanges == (old, new)


def test_an_unfinished_trial_replaces_nothing():
    """Where a trial did not end, what it had not asked yet may still be needed."""
    new = exchange("what is A")
    assert added((A, B), (new,), {}).exchanges == (A, B, new)


def test_a_shared_exchange_loses_one_mark():
    """If another variant still asks the old form, only the mark moves; the new form stands right after it."""
    shared = exchange("what is a", variants=("default", "other"))
    new = exchange("what is A")
    renewal = added((shared, B), (new,), {"default": frozenset({1, 2})})
    assert [one.variants for one in renewal.exchanges] == [("other",), ("default",), ("default",)]
    assert (renewal.exchanges[1], renewal.changes) == (new, ("fix",))


def test_the_last_variant_to_move_on_trims_the_old_form():
    """When the last variant asks what another one recorded, the old form goes."""
    old, new = exchange("what is a", variants=("other",)), exchange("what is A")
    renewal = added((old, new), (), {"other": frozenset({1})})
    assert ([one.variants for one in renewal.exchanges], renewal.changes) == ([("default", "other")], ("trim",))


def test_anew_every_change_has_its_word():
    """Recorded anew: the same answer is no change, another is an update, a new form a fix, what nothing asks is trimmed."""
    same = exchange("what is a", variants=("default",))
    update = exchange("what is b", "y", place="check#2:")
    fixed = exchange("what is c?", place="more#3:")
    old = (A, B, exchange("what is c", place="more#3:"), exchange("gone", place="gone#4:"))
    renewal = anew(old, (same, update, fixed, exchange("new", place="new#5:")), frozenset({"default"}))

    assert renewal.exchanges == (A, update, fixed, exchange("new", place="new#5:"))
    assert sorted(renewal.changes) == ["create", "fix", "trim", "update"]


def test_anew_leaves_other_variants_alone():
    """What a variant outside the recording uses too is kept for that one."""
    shared = exchange("what is a", variants=("default", "other"))
    renewal = anew((shared,), (exchange("what is a", "y"),), frozenset({"default"}))
    assert [(one.variants, b"y" in one.response.body) for one in renewal.exchanges] == [(("other",), False), (("default",), True)]


def test_anew_a_streamed_form_is_a_change():
    """An answer that now comes as a stream is recorded as one."""
    streamed = exchange("what is a", stream=True)
    assert anew((A,), (streamed,), frozenset({"default"})).exchanges == (streamed,)


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=5)


@given(TEXTS, TEXTS)
def test_nothing_that_was_paid_for_is_lost(before, after):
    """Every fresh exchange is in the cassette, and every old one that the trial used."""
    old, fresh = tuple(exchange(text, "old") for text in before), tuple(exchange(text, f"new{n}") for n, text in enumerate(after))
    used = frozenset(range(0, len(old), 2)) | frozenset(range(len(old), len(old) + len(fresh)))
    renewal = added(old, fresh, {"default": used})

    assert all(one in renewal.exchanges for one in (*fresh, *old[::2]))
    assert len(renewal.changes) == len(fresh)
    again = anew(renewal.exchanges, fresh, frozenset({"default"}))
    assert Counter(one.request.body for one in again.exchanges) == Counter(one.request.body for one in fresh)
