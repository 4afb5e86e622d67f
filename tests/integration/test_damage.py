"""Damaged cassettes: ten thousand of them are read or refused, and the command says so in one line."""

import faulthandler
import gzip
import random
from collections import Counter

import damage
import pytest

from harness.cassette.vcr_yaml import dumps

TOGETHER = 10_200
AGENT = """
    from langgraph.graph import MessagesState, StateGraph


    def build():
        return StateGraph(MessagesState).add_node("ask", lambda state: {}).set_entry_point("ask").set_finish_point("ask").compile()
"""
CASE = {"id": "one", "inputs": {"messages": []}}


@pytest.mark.parametrize("dialect", damage.DIALECTS)
def test_damaged_files(dialect, tmp_path):
    """Of each dialect, 850 damaged files are each read or refused in one line with the path, at once, and stay as they are."""
    (tmp_path / "cassettes" / "suite").mkdir(parents=True)
    count = TOGETHER // len(damage.DIALECTS)
    outcomes: Counter[str] = Counter()
    for _, suffix, data in damage.files(count, 7, {dialect: damage.DIALECTS[dialect]}):
        faulthandler.dump_traceback_later(60, exit=True)  # a hang ends the tests, and shows where
        outcomes[damage.read(tmp_path, suffix, data)] += 1
        faulthandler.cancel_dump_traceback_later()

    assert outcomes.total() == count >= 850
    assert outcomes["read"] > 0
    assert outcomes["refused"] > 0


@pytest.mark.parametrize("command", ["run", "record"])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("one.yaml", dumps(damage.OURS).encode()[:700]),
        ("one.yaml", b"version: 1\ninteractions: !!python/object/apply:os.system [touch hacked]\n"),
        ("one.yaml", b"\xff\xfe\x00"),
        ("one.json", damage.DIALECTS["vcrpy's JSON"][0][:-30]),
        ("one.yaml.gz", gzip.compress(damage.DIALECTS["vcrpy"][0], mtime=0)[:-30]),
        ("one.msgpack.zlib", damage.DIALECTS["MessagePack, zlib, base64"][2](b"\x81\xa1")),
        ("one.msgpack.zlib", b"eJ!"),
    ],
    ids=["cut off", "a tag", "no text", "JSON", "gzip", "MessagePack", "base64"],
)
def test_the_command_refuses_in_one_line(world, command, name, data):
    """`run` and `record` over a damaged cassette end with exit code 2 and one line that names the file, and write nothing there."""
    world.write("agent.py", AGENT)
    world.suite()
    world.cases(CASE)
    path = world.write(f"cassettes/agent/{name}", "")
    path.write_bytes(data)

    answer = world.harness(command)

    assert answer.code == 2
    assert [line for line in answer.err.splitlines() if "Traceback" in line or name in line] == [answer.err.splitlines()[-1]]
    assert f"cassettes/agent/{name}" in answer.err.splitlines()[-1]
    assert path.read_bytes() == data
    assert [found.name for found in path.parent.iterdir()] == [name]
    assert not (world.root / "hacked").exists()


def test_damage_is_seeded():
    """The same seed gives the same files."""
    first, again = (list(damage.files(50, 3, damage.DIALECTS)) for _ in range(2))

    assert first == again
    assert damage.damaged(b"x" * 99, random.Random(1)) != b"x" * 99  # noqa: S311, a fixed sequence
