"""What a person sees on a terminal: progress, verdicts, transcripts, a trial played at its pace."""

import re
import time

import pytest
import reported
from letters import AGENT, RULES, case
from terminal import on_terminal


@pytest.fixture
def recorded(world):
    """Return a project with a recorded suite of three cases."""

    def make():
        world.write("agent.py", AGENT)
        world.suite('routes.classify = "kind"')
        world.cases(*map(case, range(3)))
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


def take(world, latency_s):
    """Run the suite with an answer of its first case that took so long."""
    path = world.root / "cassettes/agent/case-000.yaml"
    path.write_text(re.sub(r"latency_s: \S+", f"latency_s: {latency_s}", path.read_text()))
    world.harness("run")
    assert world.trials()[0].trace.duration_s == latency_s


def test_a_terminal_gets_a_line_that_renews_itself(recorded):
    """On a terminal, progress is one line that is gone at the end; the verdict is in colour and fits the screen."""
    code, sent = on_terminal(recorded.root, "run")

    assert code == 0
    assert re.search(r"\r\[#{20}\] 3/3 trials in \d+:\d\d\x1b\[K\r\x1b\[K", sent)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", sent.rpartition("\x1b[K")[2])
    assert "\x1b[32m" in sent
    table, _, path = shown.partition("verdict: pass\r\n")
    assert max(map(len, table.split("\r\n"))) <= 80
    assert re.search(r"experiment in \S+\r\n$", path)  # whole, however long, so that it can be copied


def test_ci_gets_plain_lines(recorded):
    """Where CI is set, nothing renews itself, though there is a terminal: one line says how far it came; NO_COLOR is obeyed."""
    _, sent = on_terminal(recorded.root, "run", CI="1", NO_COLOR="1")

    assert "\x1b" not in sent
    assert "\r" not in sent.replace("\r\n", "\n")
    assert len(re.findall(r"^3/3 trials in \d+:\d\d\r$", sent, re.MULTILINE)) == 1


def test_the_width_of_the_terminal_is_used(recorded):
    """A wide terminal gets long lines, a narrow one folded ones."""
    recorded.harness("run")

    narrow, wide = (on_terminal(recorded.root, "show", columns=columns, NO_COLOR="1")[1] for columns in (80, 160))
    assert max(map(len, narrow.split("\r\n"))) <= 80
    assert 80 < max(map(len, wide.split("\r\n"))) <= 160


def test_what_failed_says_why_and_how_to_look_closer(recorded):
    """The cases that decided the verdict come first, each with its reason, and the command that shows one works."""
    recorded.cases(*map(case, range(2)), {**case(2), "expected": {"route": {"classify": "number"}}})

    answer = recorded.harness("run")
    assert answer.code == 1
    assert "case-002: fail" in answer.out
    assert "route.classify: expected 'number', got 'letter'" in answer.out
    command = re.search(r"look closer: harness (show \S+ case-002)", answer.out)[1]
    shown = recorded.harness(*command.split()).out
    assert shown.index("why it is fail") < shown.index("transcript")
    assert re.search(r"0\.000 s step 1: classify", shown)
    assert re.search(r"asks gpt-4o-mini\n +user +", shown)
    assert re.search(r"answered: latency \d\.\d{3} s, \d+ \+ \d+ tokens, \$0\.0\d+, stop", shown)


def test_the_list_says_the_verdict(recorded):
    """`list` shows how each experiment ended, and how to look at the newest."""
    recorded.harness("run")
    recorded.cases(*map(case, range(2)), {**case(2), "expected": {"route": {"classify": "number"}}})
    recorded.harness("run")

    rows = recorded.harness("list").out.splitlines()
    assert [row.split()[3:5] for row in rows[1:3]] == [["done", "pass"], ["done", "fail"]]
    assert rows[-1] == f"look closer: harness show {rows[2].split()[0]}, or harness view"


def test_other_cassettes_are_not_shown(recorded):
    """Messages are those that were played: once a cassette of the suite has changed, there are none, and that is said."""
    recorded.harness("run")
    recorded.edit("cassettes/agent/case-001.yaml", "version: 1", "version: 1 # edited")

    answer = recorded.harness("show", "latest", "case-000")
    assert "the cassettes are not those of the experiment" in answer.err
    assert " user " not in answer.out
    assert "asks gpt-4o-mini" in answer.out


def test_the_report_holds_the_messages_of_these_cassettes_alone(recorded):
    """The HTML report has what the models were asked while the cassettes are those of the experiment, then a line that says why not."""
    recorded.harness("run")
    recorded.harness("report", "-o", "report.html")
    recorded.edit("cassettes/agent/case-001.yaml", "version: 1", "version: 1 # edited")
    recorded.harness("report", "-o", "later.html")

    heads, talks = [], []
    for name in ("report.html", "later.html"):
        found = dict(re.findall(r'id="([^"]+)">([^<]+)<', (recorded.root / name).read_text("utf-8")))
        heads.append(reported.unpacked(found.pop("data"))["suites"][0]["unplayed"])
        talks.append([one for text in found.values() for one in reported.unpacked(text) if "texts" in one])
    assert heads == ["", "the cassettes are not those of the experiment, so what the models were asked and said is not shown"]
    assert [len(one) for one in talks] == [3, 0]
    assert {label for one in talks[0] for call in one["calls"] for label, _ in call[0]} == {"user"}


def test_a_trial_is_played_at_its_pace(recorded):
    """`show --play` takes the time that was recorded, as many times faster as `--speed` says, and prints what `show` prints."""
    take(recorded, 3.0)

    started = time.monotonic()
    played = recorded.harness("show", "latest", "case-000", "--play", "--speed", "8")
    assert time.monotonic() - started >= 3.0 / 8
    transcript = recorded.harness("show", "latest", "case-000").out.partition("transcript\n")[2].partition("\n\n")[0]
    assert transcript in played.out


def test_a_long_wait_is_counted_on_a_terminal(recorded):
    """While a recorded wait passes, a terminal shows how much of it is over; nothing of that stays."""
    take(recorded, 9.0)

    _, sent = on_terminal(recorded.root, "show", "latest", "case-000", "--play", "--speed", "5")
    assert re.search(r"\r +\d\.\d s of 9\.0 s\r", sent)
    assert re.search(r" s of 9\.0 s\r\x1b\[K", sent)


def test_speed_is_a_positive_number(recorded):
    """A speed of nothing would never end."""
    for speed in ("0", "-1", "nan", "fast"):
        assert recorded.harness("show", "latest", "case-000", "--play", "--speed", speed).code == 2
