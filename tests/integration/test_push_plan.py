"""What a push would send, what it must not show, and what it leaves behind: the real command, over real HTTP, to a strict double."""

import json

import pytest
from langsmith_double import Fault
from langsmith_server import KEY, langsmith
from letters import AGENT, RULES, case

from harness.sinks.traces import Traces


@pytest.fixture
def ran(world):
    """Return a project with two variants, run twice; the name of the first experiment is `first`."""
    world.write("agent.py", AGENT.replace("def build():", "def build(model=None):"))
    world.suite('routes.classify = "kind"', tables="[suites.agent.variants.other]\nmodel = 'gpt-4o-mini'")
    world.cases(case(0), case(1))
    world.record(RULES)
    assert world.harness("run", "--variant", "default", "--variant", "other").code == 0
    (found,) = (world.root / "reports" / "experiments").iterdir()
    world.first = found.name
    return world


def printed(world, *arguments):
    """Return the requests that a dry run prints."""
    answer = world.harness("push", *arguments, "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    return [json.loads(line) for line in answer.out.splitlines()]


def test_a_dry_run_prints_every_request_once_with_its_baseline_and_comparison(ran, hub):
    """What is printed is what is sent then."""
    assert ran.harness("push").code == 0
    assert ran.harness("run", "--variant", "default", "--variant", "other").code == 0
    before, asked = len(hub.workspace.writes), len(hub.asked)

    would = printed(ran, "--baseline", "--compare-with", ran.first)
    assert len(hub.asked) == asked
    assert ran.harness("push", "--baseline", "--compare-with", ran.first).code == 0

    there_before = ("/datasets", "/examples")
    sent = sorted(hub.workspace.writes[before:])
    told = sorted((one["method"], one["path"]) for one in would if not (one["method"] == "POST" and one["path"].endswith(there_before)))
    assert told == sent
    assert [one["path"] for one in would].count("/datasets") == 1
    assert {one["method"] for one in would if "baseline_experiment_id" in one.get("json", ())} == {"PATCH"}
    assert [one["path"] for one in would].count("/datasets/comparative") == 2


def test_a_comparison_that_does_not_go_is_in_the_spool(ran, hub):
    """The traces are there; what is lacking of the comparison waits, and the line says so."""
    assert ran.harness("push").code == 0
    assert ran.harness("run", "--variant", "default").code == 0
    hub.workspace.plan = lambda _: Fault(403) if len(hub.workspace.sessions) == 3 and hub.workspace.comparisons else None

    answer = ran.harness("push", "--compare-with", ran.first)

    spooled = next((ran.root / "reports" / "experiments").glob("*/push/spool.jsonl")).read_text().splitlines()
    assert (answer.code, answer.err.count("\n")) == (8, 1)
    assert "push incomplete: 2 of 2 traces are there: " in answer.err
    assert f"; {len(spooled)} requests wait in " in answer.err
    assert answer.err.endswith(f" --compare-with {ran.first}`\n")
    assert {json.loads(line)["path"] for line in spooled} == {"/feedback"}
    hub.workspace.plan = lambda _: None
    assert ran.harness("push", "--compare-with", ran.first).code == 0
    assert not list((ran.root / "reports" / "experiments").glob("*/push/spool.jsonl"))


@pytest.mark.parametrize("part", ["inputs", "outputs", "metadata"])
def test_what_the_environment_hides_is_not_sent(ran, hub, monkeypatch, part):
    """The SDK's own variables hold: of a hidden part runs have nothing, but for what LangSmith counts and links by."""
    monkeypatch.setenv(f"LANGSMITH_HIDE_{part.upper()}", "true")

    assert ran.harness("push").code == 0

    runs = hub.workspace.runs.values()
    shown = {name: [run[name] for run in runs if run.get(name)] for name in ("inputs", "outputs")}
    kept = {name for run in runs for name in run["extra"]["metadata"]}
    assert hub.workspace.invalid == []
    assert {name: bool(found) for name, found in shown.items()} == {"inputs": part != "inputs", "outputs": part != "outputs"}
    assert ("case" in kept) == (part != "metadata")
    assert kept >= {"usage_metadata", "example_version"}
    assert "(nothing had to be sent)" in ran.harness("push").out


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ftp://there", "http://", "http://there:port", "http://[there"])
def test_an_endpoint_that_is_no_address_is_one_line(ran, monkeypatch, address):
    """Nothing is tried, and nothing is written."""
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", address)

    answer = ran.harness("push")

    line = f"harness: LANGSMITH_ENDPOINT: {address!r} is no address; it begins with https:// or http://\n"
    assert (answer.code, answer.out, answer.err) == (2, "", line)
    assert not list((ran.root / "reports" / "experiments").glob("*/push"))


def test_a_page_in_the_place_of_an_answer_ends_the_push(ran, hub):
    """What a proxy says with 200 is no acknowledgement: nothing of it is believed."""
    hub.fails = {("POST", "/datasets"): (200, "<html>sign in</html>")}

    answer = ran.harness("push")

    (ledger,) = (ran.root / "reports" / "experiments").glob("*/push/ledger.jsonl")
    assert (answer.code, answer.err.count("\n")) == (8, 1)
    assert f"{hub.address}: it did not answer with JSON; look at LANGSMITH_ENDPOINT" in answer.err
    assert answer.out == "agent: 0 of 2 traces are in LangSmith\nagent@other: 0 of 2 traces are in LangSmith\n"
    assert ledger.read_text() == ""


def test_a_push_that_was_cut_off_before_anything_was_taken_is_resumed(ran, hub):
    """There is nothing to go on from, and everything to send; a push that was never begun is another thing."""
    hub.workspace.plan = lambda _: Fault(401)
    assert ran.harness("push").code == 8
    hub.workspace.plan = lambda _: None

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err) == (0, "")
    assert ran.harness("run", "--variant", "default").code == 0
    refused = ran.harness("push", "--resume")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "was begun; push it without --resume" in refused.err


@pytest.mark.parametrize("status", [302, 307])
def test_a_server_that_leads_elsewhere_is_not_followed(ran, hub, status):
    """The key and the bodies go to the address that was named, and to no other."""
    with langsmith() as other:
        hub.moved = status, f"{other.address}/sessions"

        answer = ran.harness("push")

        assert other.asked == []
    assert (answer.code, answer.err.count("\n")) == (8, 1)
    assert f"{hub.address}: it answered {status} and leads to 127.0.0.1, which is not followed; look at LANGSMITH_ENDPOINT" in answer.err


def test_a_push_goes_on_with_another_key(ran, hub, monkeypatch):
    """A key that was renewed opens the same workspace, and what was acknowledged there stays so."""
    hub.workspace.plan = lambda _: Fault(403) if len(hub.workspace.runs) > 1 else None
    assert ran.harness("push").code == 8
    hub.workspace.plan = lambda _: None
    hub.key = f"{KEY}-renewed"
    monkeypatch.setenv("LANGSMITH_API_KEY", hub.key)

    answer = ran.harness("push", "--resume")

    assert (answer.code, answer.err) == (0, "")
    assert len(hub.workspace.datasets) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANGSMITH_RUNS_ENDPOINTS", '[{"api_url": "http://127.0.0.1:9", "api_key": "k"}]'),
        ("LANGSMITH_TRACING_SAMPLING_RATE", "0.0"),
        ("LANGSMITH_TRACING_SAMPLING_RATE", "seldom"),
        ("LANGSMITH_TRACING_MODE", "otel"),
        ("LANGSMITH_OTEL_ENABLED", "true"),
        ("LANGSMITH_TRACING", "true"),
    ],
)
def test_what_is_set_for_tracing_does_not_matter(ran, hub, monkeypatch, name, value):
    """A push goes where it is told to, whole, whatever the environment says of how an agent is traced."""
    monkeypatch.setenv(name, value)

    answer = ran.harness("push")

    assert (answer.code, answer.err) == (0, "")
    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 4


def test_a_key_with_the_end_of_a_line_is_one_line(ran, hub, monkeypatch):
    """It could not be sent; the line names the variable and shows nothing of it."""
    monkeypatch.setenv("LANGSMITH_API_KEY", f"{KEY[:20]}\n{KEY[20:]}")

    answer = ran.harness("push")

    said = "harness: LANGSMITH_API_KEY: it holds a character that no key has, such as the end of a line\n"
    assert (answer.code, answer.err, hub.asked) == (2, said, [])


def test_a_push_that_is_interrupted_keeps_what_did_not_go(ran, hub, monkeypatch):
    """The spool is there as after any other push that did not arrive, and the exit code is that of an interrupt."""
    sending = Traces.send

    def interrupted(self):
        monkeypatch.setattr(Traces, "send", sending)
        raise KeyboardInterrupt

    monkeypatch.setattr(Traces, "send", interrupted)

    answer = ran.harness("push")

    (spool,) = (ran.root / "reports" / "experiments").glob("*/push/spool.jsonl")
    assert answer.code == 130
    assert [json.loads(line)["path"] for line in spool.read_text().splitlines()].count("/runs/multipart") == 4
    assert ran.harness("push", "--resume").code == 0


def test_trials_that_another_program_has_written_anew_are_read(ran, hub):
    """With spaces between names and values the lines are the same trials, and all of them are pushed."""
    path = ran.root / "reports" / "experiments" / ran.first / "trials.jsonl"
    path.write_text("".join(f"{json.dumps(json.loads(line))}\n" for line in path.read_text("utf-8").splitlines()), "utf-8")

    answer = ran.harness("push")

    assert (answer.code, answer.err) == (0, "")
    assert len([run for run in hub.workspace.runs.values() if "parent_run_id" not in run]) == 4


def test_what_the_gate_goes_by_is_feedback_on_the_experiment(ran, hub):
    """Each metric that it bounds has its value there, or none with the reason where it is not known."""
    ran.edit(
        "harness.toml",
        "[suites.agent.variants.other]",
        '[suites.agent.gate]\n"route.accuracy" = {min = 0.5}\n"ttft_s.p95" = {max = 9}\n\n[suites.agent.variants.other]',
    )
    ran.harness("run", "--variant", "default")

    ran.harness("push")

    said = {one["key"]: (one["score"], one["value"], one["comment"]) for one in hub.workspace.feedback.values() if one["run_id"] is None}
    score, value, comment = said.pop("ttft_s.p95")
    assert said.pop("route.accuracy") == (1.0, None, 'the gate asks {"min":0.5}')
    assert (score, value, comment.endswith('; the gate asks {"max":9.0}')) == (None, None, True)
    assert said.keys() == {"verdict"}
