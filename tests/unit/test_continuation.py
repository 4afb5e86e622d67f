"""Continuations on a cassette: whose they are, and which of them a sweep leaves there."""

from harness.cassette.continuation import is_continuation, mark, settled
from harness.cassette.exchange import Exchange, Request, Response


def exchange(*variants):
    """Return an exchange that was recorded under these variants."""
    return Exchange(Request("POST", "https://h/v1/chat/completions"), Response(200), variants=variants)


def test_whose_an_exchange_is():
    """A continuation bears marks of sweeps alone; one that notes nothing is anybody's."""
    assert is_continuation(exchange(mark("default"), mark("v1")))
    assert not is_continuation(exchange(mark("default"), "v1"))
    assert not is_continuation(exchange())


def test_what_a_sweep_leaves():
    """Its own continuations go where no trial used them, another variant's are shared, and plain exchanges stay as they are."""
    plain, mine, theirs, both = exchange("default"), exchange(mark("a")), exchange(mark("b")), exchange(mark("b"), mark("a"))
    unknown = exchange()

    assert settled((plain, mine, theirs, both, unknown), {1, 3}, "a") == (plain, mine, theirs, both, unknown)
    assert settled((plain, mine, theirs, both, unknown), {2}, "a") == (plain, exchange(mark("b"), mark("a")), exchange(mark("b")), unknown)
