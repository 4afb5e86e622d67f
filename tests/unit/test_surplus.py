"""Surplus: what of a cassette its trials do not need."""

from exchanges import said
from hypothesis import given
from hypothesis import strategies as st

from harness.cassette.surplus import alike, surplus

A, B, C = said("a?", "A."), said("b?", "B."), said("c?", "C.")


def test_an_exchange_that_no_trial_plays_is_unused():
    """What one variant plays is used, what none plays is not."""
    found = surplus((A, B, C), [frozenset({0}), frozenset({2})])

    assert found.unused == (1,)
    assert found.duplicates == found.shared == ()


def test_a_copy_that_no_trial_plays_names_its_original():
    """An unplayed exchange that asks and answers as a played one is a copy of that one, wherever it stands."""
    found = surplus((A, B, A, B), [frozenset({1, 2})])

    assert found.unused == ()
    assert found.duplicates == ((0, 2), (3, 1))
    assert found.removable == {0, 3}


def test_of_unplayed_copies_the_first_is_unused():
    """Where no copy is played the first is unused and the others are copies of it."""
    found = surplus((A, A), [frozenset()])

    assert (found.unused, found.duplicates) == ((0,), ((1, 0),))


def test_the_same_question_with_another_answer_is_no_copy():
    """Equal requests with different answers are a sequence, not copies."""
    found = surplus((A, said("a?", "Another.")), [frozenset({0})])

    assert (found.unused, found.duplicates) == ((1,), ())


def test_copies_that_one_trial_plays_are_needed():
    """A trial that asks twice needs both."""
    found = surplus((A, A), [frozenset({0, 1}), frozenset({0})])

    assert found.removable == frozenset()
    assert found.shared == ()


def test_copies_played_by_different_trials_could_be_shared():
    """Where each variant plays a copy of its own, one would do; nothing of them is removable."""
    found = surplus((A, A), [frozenset({0}), frozenset({1})])

    assert found.shared == ((0, 1),)
    assert found.removable == frozenset()


@given(st.lists(st.sampled_from([A, B, C]), max_size=6).flatmap(lambda tape: st.tuples(st.just(tape), _plays(len(tape)))))
def test_what_is_played_is_never_removable(given_tape):
    """Whatever the trials play stays, and everything else is told."""
    tape, plays = given_tape
    played = frozenset().union(*plays)

    assert surplus(tape, plays).removable == frozenset(range(len(tape))) - played


def _plays(size):
    return st.lists(st.frozensets(st.integers(0, size - 1)) if size else st.just(frozenset()), min_size=1, max_size=3)


def test_cassettes_with_the_same_requests_look_alike():
    """Order and answers do not matter; a request more or less does, and empty cassettes are not alike."""
    tapes = {"one": (A, B), "two": (said("b?", "Other."), A), "three": (A, B, B), "four": (), "five": ()}

    assert alike(tapes) == [("one", "two")]
