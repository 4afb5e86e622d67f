"""The bench measures what there is: its comparison in one process runs, though nothing is said of its figure here."""

import bench


def test_calls_of_a_bare_client(capsys):
    """Both sides answer every call of a small cassette."""
    bench.bench_calls([bench.exchange(number) for number in range(3)])

    assert "3 calls through a cassette of 3" in capsys.readouterr().out
